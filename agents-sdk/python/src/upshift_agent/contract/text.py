"""Text that comes from anywhere: what of it may stand in a name, and how the rest is shown."""

from __future__ import annotations

import re

#: What makes text more than it seems: control characters (a line break forges a line of a log, an
#: escape speaks to a terminal), Unicode's own line breaks, changes of direction, half surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def is_plain(text: str) -> bool:
    """Whether a name may be made of this: it is valid Unicode, and one line wherever it goes."""
    # What Python calls printable is stricter, and told in no time.
    return text.isprintable() or _UNSAFE.search(text) is None


def one_line(text: str, most: int) -> str:
    """`text` as valid Unicode, on one line, with nothing that a terminal obeys, in at most `most`
    characters."""
    if len(text) <= most and text.isprintable():
        return text
    plain = _UNSAFE.sub(_shown, text[: most + 1])
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _shown(found: re.Match[str]) -> str:
    return " " if found[0].isspace() else "\N{REPLACEMENT CHARACTER}"
