"""How a commit grows with the leases that its target has."""

from __future__ import annotations

from ...measuring.row import Line, Row, Sampler
from ...measuring.side import Side
from ...parts.stored import commits

CURVE = "commit, leases of the target"


def of(leases: int) -> Row:
    def product(side: Side) -> Sampler:
        return commits(side, 20, leases)

    name = f"growth: {CURVE}: {leases}"
    line = Line(name, "ms", curve=(CURVE, leases))
    return Row(lines=[line], product=product, seconds=1.5, blocks=1, compared=False)


ROWS = [of(leases) for leases in (1, 10, 100)]
