"""Two revisions beside each other: what became worse, or better, beyond the spread. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from .results import Measured, interval

Change = Literal["worse", "better"]
#: Less than this is not told, however sure: two clones of one revision may differ by as much.
LEAST = 0.02


def change(line: Measured) -> Change | None:
    """None unless the whole interval of the ratio is on one side of 1, and its median far off."""
    found, ratio = interval(line.series("ratio")), line.ratio
    if found is None or ratio is None or abs(ratio - 1) < LEAST or found[0] <= 1 <= found[1]:
        return None
    return "worse" if (ratio > 1) != line.line.more_is_better else "better"


def suspects(lines: Iterable[Measured]) -> set[str]:
    """The lines of which one run says something; of twenty, one may by chance."""
    return {it.line.name for it in lines if change(it)}


def confirmed(
    first: Sequence[Measured], second: Sequence[Measured]
) -> list[tuple[Measured, Change | None]]:
    """All lines, with the blocks of both runs; changed is only what both say by themselves."""
    again = {it.line.name: it for it in second}
    found = []
    for line in first:
        other, said = again.get(line.line.name), change(line)
        if other is None:
            found.append((line, None))
        else:
            both = Measured(line.line, [*line.blocks, *other.blocks])
            found.append((both, said if said == change(other) else None))
    return found
