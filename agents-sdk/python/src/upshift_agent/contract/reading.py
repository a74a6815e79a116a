"""JSON in and out, with every way it can be wrong turned into `WireError`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from .errors import WireError

VERSION = 1
MAX_MESSAGE_BYTES = 4 * 1024 * 1024


def dump(document: object) -> str:
    """JSON without padding; never NaN, and always valid Unicode.

    A name from a badly encoded environment holds lone surrogates; each becomes "?".
    """
    text = _ENCODER.encode(document)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def parse(message: bytes | str) -> object:
    """JSON in UTF-8, with every way it can fail turned into `WireError`.

    Stricter than `json.loads` where a value could not be sent on: no NaN or infinite numbers, no
    lone surrogates.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise WireError(f"message has {len(message)} bytes, at most {MAX_MESSAGE_BYTES} are read")
    try:
        text = message if isinstance(message, str) else message.decode()
        if text.startswith("\ufeff"):  # as json.loads has it
            raise json.JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", text, 0)
        document = _DECODER.decode(text)
        # Both tests are many times quicker than the search, and hold for nearly every message.
        if ("\\u" in text or not text.isascii()) and _SURROGATE.search(text):
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {error}") from error
    return document


#: What a lone surrogate in a message looks like, written out or escaped (as half a pair may be).
_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(shorten(text))


# Made once: json.dumps and json.loads make one for each call that has options.
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite)


def shorten(text: object, length: int = 60) -> str:
    """`text` as a quoted literal that fits on one line of an error message."""
    literal = repr(_beginning(text, length))
    return literal if len(literal) <= length else literal[: length - 1] + "…"


def _beginning(value: object, length: int, depth: int = 2) -> object:
    """As much of it as is shown: it may have megabytes."""
    match value:
        case str():
            return value[: length + 1]
        case list() | dict() if value and not depth:
            return ...
        case list():
            return [_beginning(item, length, depth - 1) for item in value[:32]]
        case dict():
            some = islice(value.items(), 32)
            return {
                _beginning(key, length): _beginning(inner, length, depth - 1) for key, inner in some
            }
    return value


def mapping(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise WireError(f"{path} must be an object, got {shorten(value)}")
    return value


def check_version(document: Mapping[str, Any], what: str) -> None:
    version = document.get("v")
    if version != VERSION or not isinstance(version, int) or isinstance(version, bool):
        raise WireError(f"{what} version must be {VERSION}, got {shorten(version)}")


def string(document: Mapping[str, Any], name: str, path: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise WireError(f"{path}.{name} must be a string, got {shorten(value)}")
    return value


def whole(document: Mapping[str, Any], name: str, path: str) -> int:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise WireError(f"{path}.{name} must be a whole number from 0 up, got {shorten(value)}")
    return value


def optional_whole(document: Mapping[str, Any], name: str, path: str) -> int | None:
    return None if document.get(name) is None else whole(document, name, path)


def optional_text(document: Mapping[str, Any], name: str, path: str) -> str | None:
    return None if document.get(name) is None else string(document, name, path)


def revs(document: Mapping[str, Any], path: str) -> dict[str, int]:
    revs = mapping(document.get("revs", {}), f"{path}.revs")
    return {target: whole(revs, target, f"{path}.revs") for target in revs}


def strings(value: object, path: str) -> dict[str, str]:
    document = mapping(value, path)
    return {name: string(document, name, path) for name in document}


def string_list(value: object, path: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise WireError(f"{path} must be a list of strings, got {shorten(value)}")
    return value
