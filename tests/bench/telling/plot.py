"""The growth curves as a picture: one panel each, the floor beside the product where it has one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..parts.latency import AGENTS
from ..rows.growth.growth_leases import CURVE as LEASES
from ..rows.growth.growth_targets import CURVE as TARGETS
from .curves import by_curve
from .results import Measured

#: Curve → what stands above and below its panel.
_PANELS = {
    AGENTS: ("Webhook → driver of the last agent", "agents"),
    TARGETS: ("One commit (webhook → 200)", "targets stored"),
    LEASES: ("One commit (webhook → 200)", "leases of the target"),
}
_PRODUCT, _FLOOR, _INK, _GRID = "#1f5fbf", "#9a9a9a", "#222222", "#e4e4e4"


def plot(rows: Sequence[Measured], path: Path) -> bool:
    """Draw the curves among the rows. Return whether there were any."""
    curves = {name: points for name, points in by_curve(rows).items() if name in _PANELS}
    if not curves:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(curves), 3.9), layout="constrained", dpi=160)
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for panel, (name, points) in zip(panels, curves.items(), strict=True):
        _draw(panel, name, points)
    panels[0].set_ylabel("milliseconds")
    figure.supxlabel("Medians of the blocks; bars: least and most.", fontsize=8, color=_FLOOR)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return True


def _draw(panel: Any, name: str, points: Sequence[Measured]) -> None:
    title, below = _PANELS[name]
    panel.set_title(title, loc="left", fontsize=11, color=_INK)
    panel.set_xscale("log")
    ours = [(row.line.curve[1], row.product) for row in points if row.line.curve]
    theirs = [(row.line.curve[1], row.floor) for row in points if row.line.curve and row.floor]
    _line(panel, theirs, _FLOOR, "floor: aiohttp + EVALSHA + redis-py", "--")
    _line(panel, ours, _PRODUCT, "Upshift", "-")
    highest = max(rounds.spread[1] for _, rounds in ours + theirs)
    lowest = min(rounds.spread[0] for _, rounds in ours + theirs)
    if highest > 20 * lowest:
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    else:
        panel.set_ylim(0, highest * 1.15)
    counts = [count for count, _ in ours]
    panel.set_xticks(counts, [f"{count:,.0f}" for count in counts])
    panel.minorticks_off()
    panel.set_xlabel(below)
    panel.grid(True, color=_GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(colors=_INK, length=0)
    for side in panel.spines.values():
        side.set_visible(False)
    if theirs:
        panel.legend(frameon=False, fontsize=9, loc="upper left")


def _line(
    panel: Any, points: Sequence[tuple[float, Any]], colour: str, label: str, style: str
) -> None:
    if not points:
        return
    counts = [count for count, _ in points]
    medians = [rounds.median for _, rounds in points]
    below = [rounds.median - rounds.spread[0] for _, rounds in points]
    above = [rounds.spread[1] - rounds.median for _, rounds in points]
    panel.errorbar(
        counts, medians, yerr=(below, above), color=colour, label=label, linestyle=style,
        marker="o", markersize=5, linewidth=1.8, elinewidth=1, capsize=3,
    )  # fmt: skip  # settings of one line
