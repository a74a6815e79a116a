"""Growth curves in words: one sentence each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .results import Measured

#: What grows by less than this from the first point to the last is within the noise.
FLAT = 1.25


def by_curve(rows: Iterable[Measured]) -> dict[str, list[Measured]]:
    """The points of each curve, in their order; those that cost nothing are none."""
    found: dict[str, list[Measured]] = {}
    for row in rows:
        if row.line.curve is not None and row.product.median > 0:
            found.setdefault(row.line.curve[0], []).append(row)
    return {name: sorted(points, key=_place) for name, points in found.items() if len(points) > 1}


def sentence(name: str, points: Sequence[Measured]) -> str:
    """How the cost grows from the first point to the last."""
    first, last = points[0], points[-1]
    low, high = first.product.median, last.product.median
    span = f"from {_number(_place(first))} to {_number(_place(last))}"
    figures = f"{low:.3g} → {high:.3g} {first.line.unit}"
    if high < low * FLAT:
        return f"{name}: {span} the cost does not grow ({figures})."
    fixed, each = line(points)
    return (
        f"{name}: {span} the cost grows linearly ({figures}): {fixed:.3g} {first.line.unit}, and "
        f"{each:.2g} {first.line.unit} for each one."
    )


def line(points: Sequence[Measured]) -> tuple[float, float]:
    """Least squares of the relative error: (value at 0, slope). Every point counts the same."""
    weighted = [(_place(it), it.product.median, it.product.median**-2) for it in points]
    total = sum(w for *_, w in weighted)
    mean_x = sum(w * x for x, _, w in weighted) / total
    mean_y = sum(w * y for _, y, w in weighted) / total
    spread = sum(w * (x - mean_x) ** 2 for x, _, w in weighted)
    slope = sum(w * (x - mean_x) * (y - mean_y) for x, y, w in weighted) / spread
    return mean_y - slope * mean_x, slope


def _place(row: Measured) -> float:
    assert row.line.curve is not None
    return row.line.curve[1]


def _number(value: float) -> str:
    return f"{value:,.0f}"
