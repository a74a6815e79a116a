"""Kinds of values that only `agent.yaml` has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from upshift_rules.documents.fields import Line
from upshift_rules.documents.located import must_be
from upshift_rules.matchers import compiled

MAX_PATTERN = 1000

#: Whether a text holds what the pattern describes, anywhere.
Pattern = Callable[[str], bool]


def _pattern(value: Any) -> Pattern:
    """RE2 takes linear time: a process chooses its own command line, and could hold up another."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_PATTERN:
        raise ValueError(f"must be a regular expression of 1–{MAX_PATTERN} characters")
    try:
        pattern = compiled(value)
    except ValueError as error:
        raise ValueError(f"must be an RE2 regular expression: {error}") from error
    return lambda text: pattern.search(text.encode("utf-8", "replace")) is not None


def _http(value: str) -> str:
    host = value.partition("://")[2].partition("/")[0]
    if not value.startswith(("http://", "https://")) or not host:
        raise ValueError("must be an http:// or https:// URL")
    if "@" in host:
        raise ValueError("must not hold a password; token_file names a file that does")
    return value.rstrip("/")


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:9096")
    return value


def _no_number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be 1–65535, got true or false")
    return value


CommandPattern = Annotated[
    Pattern, PlainValidator(_pattern), WithJsonSchema({"type": "string", "minLength": 1})
]
Listen = Annotated[Line, AfterValidator(_listen)]
HttpUrl = Annotated[Line, AfterValidator(_http)]
Port = Annotated[int, Field(ge=1, le=65_535), must_be("1–65535"), BeforeValidator(_no_number)]
