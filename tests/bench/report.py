"""What people see of a run: the table, the sentences, and what machine it was."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .curves import by_curve, sentence
from .results import Rounds, Row

_HELD = {True: ("✓", "green"), False: ("✗", "red"), None: ("", "")}


def machine() -> str:
    load = ", ".join(f"{it:.2f}" for it in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load average {load}"
    )


def table(rows: Sequence[Row]) -> Table:
    grid = Table(box=None, header_style="bold", pad_edge=False)
    grid.add_column("ROW", min_width=22)
    for name in ("PRODUCT", "FLOOR", "RATIO"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("GOAL", min_width=10)
    grid.add_column("", min_width=1)
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f} ×"
        mark, colour = _HELD[row.held]
        grid.add_row(
            f"{row.name}, {row.unit}",
            _figure(row.product),
            "–" if row.floor is None else _figure(row.floor),
            ratio,
            row.goal.text,
            Text(mark, colour),
        )
    return grid


def _figure(rounds: Rounds) -> Text:
    low, high = rounds.spread
    said = Text(_short(rounds.median), "bold")
    if len(rounds.values) > 1:
        said.append(f"\n{_short(low)}–{_short(high)}", "not bold dim")
    return said


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def print_all(rows: Sequence[Row], console: Console) -> None:
    console.print(table(rows))
    curves = by_curve(rows)
    if curves:
        console.print()
    for name, points in curves.items():
        console.print(sentence(name, points), soft_wrap=True)
    goals = [row for row in rows if row.held is not None]
    console.print(f"\n{sum(bool(row.held) for row in goals)} of {len(goals)} goals are held.")
