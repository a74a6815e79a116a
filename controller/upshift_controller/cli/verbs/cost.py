"""`upshift cost`: what profiling will cost a node, before it does. Needs no controller."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from upshift_rules.durations import parse_duration

from ..options import duration
from ..rules_file import read, rules_file
from ..screen import show
from ..screen.text import plain

if TYPE_CHECKING:
    from rich.table import Table

    from upshift_rules.cost import Forecast


def cost(
    file: Annotated[
        Path | None,
        rules_file(
            "A rule file, or upshift.yaml, whose `cost:` counts. Default: the built-in rules."
        ),
    ] = None,
    alerts_per_day: Annotated[
        float,
        typer.Option(
            min=0, metavar="N", help="Alerts that concern one node in a day, all rules together."
        ),
    ] = 4,
    firing_for: Annotated[
        str,
        typer.Option(parser=duration, metavar="DURATION", help="How long an alert fires."),
    ] = "10m",
    rollouts_per_day: Annotated[
        float,
        typer.Option(
            min=0, metavar="N", help="Rollouts of what runs on the node in a day, for on_rollout."
        ),
    ] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print the figures, for programs.")
    ] = False,
) -> None:
    """Predict CPU, memory, bandwidth and storage per node and month. Needs no controller.

    Alerts are taken to come at random, spread evenly over the rules, each about the whole node; so
    are rollouts, and schedules to be about it, whatever their target.
    """
    from upshift_rules.cost import Load, always, forecasts, uncounted

    from ...configuration import built_in
    from ...sources.schedules.windows import open_for

    configuration = read(file) if file else built_in()
    rules, coefficients = configuration.rules, configuration.settings.cost
    load = Load(
        alerts_per_day=alerts_per_day,
        firing_ms=parse_duration(firing_for),
        rollouts_per_day=rollouts_per_day,
    )
    now_ms = int(time.time() * 1000)
    found = forecasts(rules, load, coefficients, lambda it: open_for(it, now_ms))
    beyond = uncounted(rules)
    if as_json:
        show.answer({"per_node": [asdict(size) for size in found], "uncounted": beyond})
        return
    highest = max(size.highest_hz for size in found)
    several = [*found, always(highest, coefficients)]
    out = show.console()
    out.print(_table(several))
    out.print(
        "\nPer node; boosted for a share of the time; stored in 30 days.",
        *_verdicts(several),
        f"Every boost is within the {configuration.settings.limits.in_words()}.",
        *([f"Of cpu alone; not counted: {', '.join(beyond)}."] if beyond else []),
        sep="\n",
        soft_wrap=True,
    )


def _table(rows: Sequence[Forecast]) -> Table:
    grid = show.table(
        "ENVIRONMENT", ">BASELINE", ">MEAN", ">BOOSTED", ">CPU", ">MEMORY", ">BANDWIDTH", ">STORAGE"
    )
    for row in rows:
        grid.add_row(
            plain(row.environment),
            f"{row.baseline_hz} Hz",
            f"{row.mean_hz:.1f} Hz",
            f"{row.boosted:.1%}",
            f"{row.cpu_percent:.1f} %",
            f"{row.memory_mb:.0f} MB",
            f"{row.kb_per_s:.0f} KB/s",
            f"{row.gb_per_month:.1f} GB",
        )
    return grid


def _verdicts(rows: Sequence[Forecast]) -> Iterator[str]:
    """Who keeps within what a node may be burdened with, and who misses what of it by how much."""
    from upshift_rules.cost import TARGETS, missed

    limits = ", ".join(f"{aim.name} {aim.most:g} {aim.unit}" for aim in TARGETS)
    within = [plain(fit.environment) for fit in rows if not missed(fit)]
    yield f"Within the targets ({limits}): {', '.join(within) or 'none'}."
    for row in rows:
        over = [
            f"{aim.name} ({getattr(row, aim.figure):.1f} {aim.unit}, {aim.most:g} at most)"
            for aim in missed(row)
        ]
        if over:
            targets = "target" if len(over) == 1 else "targets"
            yield f"{plain(row.environment)} misses the {targets} for {' and '.join(over)}."
