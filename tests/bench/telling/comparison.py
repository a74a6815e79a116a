"""Two revisions beside each other: what became worse, or better, beyond the spread. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from .results import Measured, interval

Change = Literal["worse", "better"]
#: Less than this is not told, however sure: two clones of one revision may differ by as much.
LEAST = 0.02
#: How sure a first run has to be for a line to be measured on: one block of six may disagree.
SUSPECTED = 0.75
#: How sure all of a line's blocks have to be: of thirty lines, chance tells one in 50 runs.
SURE = 0.998
#: How many times the first run's blocks a line that is suspected gets in addition.
AGAIN = 2


def change(line: Measured, level: float) -> Change | None:
    """None unless the whole interval of the ratio is on one side of 1, and its median far off."""
    found, ratio = interval(line.series("ratio"), level), line.ratio
    if found is None or ratio is None or abs(ratio - 1) < LEAST or found[0] <= 1 <= found[1]:
        return None
    return "worse" if (ratio > 1) != line.line.more_is_better else "better"


def suspects(lines: Iterable[Measured]) -> set[str]:
    """The names of the lines that are to be measured on, because they may have changed."""
    return {it.line.name for it in lines if change(it, SUSPECTED)}


def changes(
    first: Sequence[Measured], second: Sequence[Measured]
) -> list[tuple[Measured, Change | None]]:
    """All lines, with the blocks of both runs, and what is sure of those that have both."""
    again = {it.line.name: it.blocks for it in second}
    found = []
    for it in first:
        line = Measured(it.line, [*it.blocks, *again.get(it.line.name, ())])
        found.append((line, change(line, SURE)))
    return found
