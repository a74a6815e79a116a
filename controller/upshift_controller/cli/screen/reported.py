"""What people see of a report."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ...evidence.shown import written
from . import show
from .text import Json, plain


def lines(report: Json) -> Iterator[RenderableType]:
    yield Text(plain(written.headline(report)), "bold")
    for name, said in written.facts(report):
        yield Text(f"{name:7} {said}", "dim")
    if report["advice"]:
        yield Text(f"        {plain(report['advice'])}")
    if report["changes"]:
        yield Text()
        yield _table(written.changes(report))
    if report["window"]["samples"]:
        for kind in ("self", "total"):
            yield Text()
            yield _table(written.tops(report, kind))


def _table(table: written.Table) -> Table:
    (first, *head), rows = table
    grid = show.table(first.upper(), *(f">{it.upper()}" for it in head))
    for function, *cells in rows:
        style = "red" if cells[-1].startswith("+") else "blue" if cells[-1].startswith("-") else ""
        grid.add_row(Text(plain(function)), *cells[:-1], Text(cells[-1], style))
    return grid
