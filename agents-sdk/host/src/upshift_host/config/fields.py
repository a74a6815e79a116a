"""Kinds of values that only `agent.yaml` has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import re2
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from upshift_rules.documents.fields import Line
from upshift_rules.documents.located import must_be

#: RE2's own bound on a compiled pattern and its caches, in bytes.
MAX_PATTERN_MEMORY = 1024 * 1024
MAX_PATTERN = 1000

#: Whether a text holds what the pattern describes, anywhere.
Pattern = Callable[[str], bool]


def _pattern(value: Any) -> Pattern:
    """RE2 takes linear time: a process chooses its own command line, and could hold up another."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_PATTERN:
        raise ValueError(f"must be a regular expression of 1–{MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False  # it would write to stderr by itself
    options.never_capture = True
    options.max_mem = MAX_PATTERN_MEMORY
    try:
        compiled = re2.compile(value, options)
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace") if error.args else "unreadable"
        raise ValueError(f"must be an RE2 regular expression: {why}") from error
    return lambda text: compiled.search(text.encode("utf-8", "replace")) is not None


def _http(value: str) -> str:
    host = value.partition("://")[2].partition("/")[0]
    if not value.startswith(("http://", "https://")) or not host:
        raise ValueError("must be an http:// or https:// URL")
    if "@" in host:
        raise ValueError("must not hold a password; token_file names a file that does")
    return value.rstrip("/")


def _no_number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be 1–65535, got true or false")
    return value


CommandPattern = Annotated[
    Pattern, PlainValidator(_pattern), WithJsonSchema({"type": "string", "minLength": 1})
]
HttpUrl = Annotated[Line, AfterValidator(_http)]
Port = Annotated[int, Field(ge=1, le=65_535), must_be("1–65535"), BeforeValidator(_no_number)]
