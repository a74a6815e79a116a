"""What people see of a run: tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .comparison import Change
from .curves import by_curve, sentence
from .results import Measured, Rounds, interval

MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("–", "yellow")}
_CHANGES = {"worse": "red", "better": "green"}


def table(lines: Sequence[Measured], *, verdicts: bool) -> Table:
    grid = _grid("PRODUCT", "FLOOR", "RATIO", "95 %")
    grid.add_column("GOAL", min_width=10)
    grid.add_column("", min_width=1)
    for it in lines:
        mark = MARKS[it.held] if it.line.goal.bounds and verdicts else ("", "")
        unit = " ×" if it.telling == "ratio" else ""
        grid.add_row(
            f"{it.line.name}, {it.line.unit}",
            _figure(it.product),
            "–" if it.floor is None else _figure(it.floor),
            "" if it.ratio is None else f"{it.ratio:.2f} ×",
            _span(it.interval, unit),
            it.line.goal.text,
            Text(*mark),
        )
    return grid


def print_run(lines: Sequence[Measured], console: Console, *, verdicts: bool) -> None:
    console.print(table(lines, verdicts=verdicts))
    curves = by_curve(lines)
    if curves:
        console.print()
    for name, points in curves.items():
        console.print(sentence(name, points), soft_wrap=True)
    goals = [it for it in lines if it.line.goal.bounds]
    if verdicts and goals:
        held, missed = sum(it.held is True for it in goals), sum(it.held is False for it in goals)
        console.print(
            f"\nOf {len(goals)} goals {held} are held, {missed} are missed, and "
            f"{len(goals) - held - missed} this run cannot tell: the interval is on both sides."
        )


def print_comparison(
    lines: Sequence[tuple[Measured, Change | None]], base: str, console: Console
) -> None:
    grid = _grid("NOW", "BASE", "CHANGE", "95 %", "")
    for it, changed in lines:
        ratio = it.ratio
        percent = None if ratio is None else f"{100 * (ratio - 1):+.1f} %"
        found = interval(it.series("ratio"))
        assert it.floor is not None
        grid.add_row(
            f"{it.line.name}, {it.line.unit}",
            _figure(it.product),
            _figure(it.floor),
            percent,
            found and f"{100 * (found[0] - 1):+.1f} – {100 * (found[1] - 1):+.1f}",
            Text(changed, _CHANGES[changed]) if changed else "",
        )
    console.print(grid)
    for kind, verb in (("worse", "got worse"), ("better", "got better")):
        names = [it.line.name for it, changed in lines if changed == kind]
        console.print(f"\n{len(names)} {verb} since {base}, beyond the spread.")
        for name in names:
            console.print(f"  {name}", soft_wrap=True)


def print_broken(broken: Mapping[str, str], console: Console) -> None:
    for name, how in broken.items():
        console.print(f"{name} broke: {how}", style="red", markup=False, soft_wrap=True)


def _grid(*right: str) -> Table:
    grid = Table(box=None, header_style="bold", pad_edge=False)
    grid.add_column("ROW", min_width=22)
    for name in right:
        grid.add_column(name, justify="right", no_wrap=True)
    return grid


def _span(found: tuple[float, float] | None, unit: str) -> str:
    return f"{_short(found[0])}–{_short(found[1])}{unit}" if found else ""


def _figure(rounds: Rounds) -> Text:
    low, high = rounds.spread
    said = Text(_short(rounds.median), "bold")
    if len(rounds.values) > 1:
        said.append(f"\n{_short(low)}–{_short(high)}", "not bold dim")
    return said


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
