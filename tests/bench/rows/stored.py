"""What is stored already must not make a commit slower."""

from __future__ import annotations

from ..measuring.row import Line, Row, Sampler, at_most_times
from ..measuring.side import Side
from ..parts.stored import commits


def many(side: Side) -> Sampler:
    return commits(side, side.of(10_000, tiny=20), side.of(10, tiny=2))


def few(side: Side) -> Sampler:
    return commits(side, 10, 1)


NAME = "commit, 10,000 targets and 100,000 leases stored, beside 10 and 10"
LINES = [Line(NAME, "ms", at_most_times(1.2)), Line(f"{NAME}: CPU", "ms")]
ROWS = [Row(lines=LINES, product=many, beside=few)]
