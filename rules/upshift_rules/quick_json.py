"""JSON by orjson, and by the standard library where that one is too strict.

Half surrogates, which a badly encoded label may hold, are too much for it, as are whole numbers of
more than 64 bits. What is read here holds none of the former: each becomes "?".
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from upshift_agent import contract


def loads(text: bytes | str, *, lenient: bool = True) -> Any:
    """Return the value of a JSON text. Raise `ValueError` or `RecursionError` for anything else.

    lenient: take what orjson does not; that takes some twenty times as long.
    Whole numbers of more than 64 bits become floats.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if not lenient:
            raise
        document = json.loads(text)
    again = json.dumps(document, ensure_ascii=False)
    try:
        again.encode()
    except UnicodeEncodeError:
        return json.loads(again.encode("utf-8", "replace"))
    return document


def dump(document: object) -> str:
    """As `contract.dump`, but for floats: `1e16`, not `1e+16`, and `null` for what is no number."""
    try:
        return orjson.dumps(document).decode()
    except TypeError:
        return contract.dump(document)
