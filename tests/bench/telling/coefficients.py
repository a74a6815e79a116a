"""Measured overhead → the `cost:` block that `upshift cost` reads from upshift.yaml. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from upshift_rules.cost import Coefficients

from .curves import by_curve, line
from .results import Measured

#: Curve of the overhead row → coefficient.
_FIELDS = {
    "profiler: CPU of one core": "cpu_percent",
    "profiler: memory": "memory_mb",
    "profiler: pushed": "kb_per_s",
    "profiler: stored in a month": "gb_per_month",
}


def coefficients_yaml(rows: Iterable[Measured]) -> str | None:
    """A block for upshift.yaml; None where the overhead was not measured at two frequencies."""
    curves = by_curve(rows)
    measured = {_FIELDS[name]: line(points) for name, points in curves.items() if name in _FIELDS}
    if len(measured) < len(_FIELDS):
        return None
    lines = ["# Measured on one busy process. A node has the sum over its own.", "cost:"]
    for name in Coefficients.model_fields:
        fixed, per_hz = (max(0.0, it) for it in measured[name])
        lines.append(f"  {name}: {{fixed: {fixed:.4g}, per_hz: {per_hz:.4g}}}")
    return "\n".join(lines) + "\n"
