"""How a commit grows with the targets that are stored."""

from __future__ import annotations

from ...measuring.row import Line, Row, Sampler
from ...measuring.side import Side
from ...parts.stored import commits

CURVE = "commit, targets stored"


def of(targets: int) -> Row:
    def product(side: Side) -> Sampler:
        return commits(side, side.of(targets, tiny=min(targets, 20)), 1)

    name = f"growth: {CURVE}: {targets:,}"
    line = Line(name, "ms", curve=(CURVE, targets))
    return Row(lines=[line], product=product, seconds=1.5, blocks=1, compared=False)


ROWS = [of(targets) for targets in (10, 100, 1000, 10_000)]
