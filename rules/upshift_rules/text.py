"""How names are compared, and how values are shown to people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

#: Characters; longer texts are worked out anew, so that what is remembered stays small.
MAX_REMEMBERED = 256
_IGNORED = str.maketrans("", "", "-_")


def normalised(name: str) -> str:
    """`name` without letter case, `-` and `_`: `HighCPU`, `high-cpu` and `high_cpu` are one."""
    return _remembered(name) if len(name) <= MAX_REMEMBERED else _normalised(name)


def _normalised(name: str) -> str:
    return name.casefold().translate(_IGNORED)


_remembered = lru_cache(maxsize=1024)(_normalised)  # alerts come again and again


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` was probably meant to be."""
    by_spelling = {normalised(name): name for name in known}
    # The cut bounds the work: names come from alerts as well.
    close = get_close_matches(normalised(name[:100]), by_spelling, n=1)
    return by_spelling[close[0]] if close else None


def show(value: object, length: int = 60) -> str:
    """`value` as a document has it, on one line and not too long."""
    if isinstance(value, dict | list):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        value = value[: length + 1]
        # JSON would leave control characters beyond ASCII, and half surrogates, as they are.
        plain = value.isprintable()
        shown = json.dumps(value, ensure_ascii=not plain)
    else:
        shown = json.dumps(value, default=str)
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"


def in_words(path: tuple[str | int, ...]) -> str:
    """What stands at `path`, in words: `frequency`, `entry 2 of match`."""
    match path:
        case ():
            return "the document"
        case (*_, int(index)):
            return f"entry {index + 1} of {in_words(path[:-1])}"
        case (*_, str(key)) if key.isprintable() and 0 < len(key) <= 60:
            return key
        case _:
            return show(path[-1])
