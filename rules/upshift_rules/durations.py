"""Durations, as people write them: `90s`, `10m`, `1h30m`, `2d`. Milliseconds inside.

The only parser and formatter of durations: documents, settings, CLI and messages all use it.
"""

from __future__ import annotations

import re

from .text import show

#: Milliseconds per unit, longest first: the order in which a duration names them.
UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}

#: For JSON Schema and OpenAPI; `parse_duration` reads exactly what this matches.
DURATION_PATTERN = "^(?=[0-9])" + "".join(f"([0-9]{{1,9}}{unit})?" for unit in UNITS) + "$"
_DURATION = re.compile(DURATION_PATTERN)


def parse_duration(text: str) -> int:
    """Return milliseconds. Raise `ValueError` saying what a duration looks like."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"must be a duration such as 90s, 10m or 1h30m, got {show(text)}")
    counts = zip(UNITS.values(), match.groups(), strict=True)
    return sum(ms * int(part.rstrip("dhms")) for ms, part in counts if part)


def format_duration(ms: int) -> str:
    """The shortest text that `parse_duration` reads back: 5_400_000 → `1h30m`, 0 → `0s`."""
    if ms < 0:
        return f"-{format_duration(-ms)}"
    parts = []
    for unit, size in UNITS.items():
        count, ms = divmod(ms, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
