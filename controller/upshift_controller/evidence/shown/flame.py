"""A flame graph of two windows: as wide as now, coloured by what changed. SVG, self-contained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

WIDTH, ROW, LEAST_WIDTH = 1200, 18, 1.0
#: A share that changed by this much has the full colour.
FULL = 0.1
#: Of a text of 11 px, and what it needs to be worth showing.
CHARACTER, LEAST_TEXT = 6.6, 3
STYLE = """
.more{fill:#d1495b}.less{fill:#3a7ca5}.same{fill:#8a8f98}
text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#111}
.note{fill:#444}
@media (prefers-color-scheme: dark){text{fill:#f4f4f4}.note{fill:#bbb}.same{fill:#5b606a}}
"""


def flame(tree: Mapping[str, Any], *, styled: bool = True) -> str:
    """tree: as a report has it. styled: with its own colours, for where no style sheet is."""
    frames = list(_frames(tree, 0.0, 0))
    depth = 1 + max((row for row, *_ in frames), default=0)
    height = (depth + 2) * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="flame" viewBox="0 0 {WIDTH} {height}"'
        ' role="img" aria-label="Flame graph of the window, coloured by change">'
        + (f"<style>{STYLE}</style>" if styled else "")
    ]
    for row, left, name, before, now in frames:
        parts.append(_drawn(row, left, name, before, now))
    parts.append(
        f'<text class="note" x="4" y="{height - ROW // 2}">width: share now; red: more than before,'
        " blue: less, by up to 10 % of the whole</text></svg>"
    )
    return "".join(parts)


def _frames(
    calls: Mapping[str, Any], left: float, row: int
) -> Iterator[tuple[int, float, str, float, float]]:
    for name, (before, now, below) in calls.items():
        if now * WIDTH < LEAST_WIDTH:
            continue
        yield row, left, name, before, now
        yield from _frames(below, left, row + 1)
        left += now * WIDTH


def _drawn(row: int, left: float, name: str, before: float, now: float) -> str:
    difference = now - before
    kind = "same" if abs(difference) < 0.001 else "more" if difference > 0 else "less"
    strength = 0.25 + 0.75 * min(abs(difference) / FULL, 1.0)
    width, y = now * WIDTH, row * ROW
    said = f"{name}: {before:.1%} before, {now:.1%} now"
    room = int((width - 4) / CHARACTER)
    shown = name if len(name) <= room else name[: room - 1] + "…"
    label = (
        f'<text x="{left + 3:.1f}" y="{y + 13}">{escape(shown)}</text>'
        if room >= LEAST_TEXT
        else ""
    )
    return (
        f'<g><title>{escape(said)}</title><rect class="{kind}" x="{left:.1f}" y="{y}"'
        f' width="{max(width - 0.5, 0.5):.1f}" height="{ROW - 1}" fill-opacity="{strength:.2f}"'
        f' rx="1"/>{label}</g>'
    )
