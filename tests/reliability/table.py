"""One row of the table: what was done to the system, and what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Row:
    """`worst` is the worst case seen, in words with its unit; `broken` says what went wrong.

    `parts`: of a row that is made of several, what was seen of each.
    """

    fault: str
    injected: int
    promised: str
    worst: str
    broken: Sequence[str] = ()
    parts: Sequence[str] = ()

    @property
    def held(self) -> bool:
        return not self.broken


@dataclass(frozen=True, kw_only=True)
class Size:
    """How often a fault is injected: `full` for the table, `small` for `make test`."""

    full: bool

    def of(self, full: int, small: int) -> int:
        return full if self.full else small


#: Injects one kind of fault, in a folder of its own.
Fault = Callable[[Path, Size], Row]


def show(rows: Sequence[Row], console: Console) -> None:
    table = Table(title="Promises under faults", title_justify="left", expand=False)
    for heading in ("fault", "times", "promised", "worst seen", "held"):
        table.add_column(heading, justify="right" if heading == "times" else "left")
    for row in rows:
        held = "[green]held[/green]" if row.held else "[red]BROKEN[/red]"
        table.add_row(row.fault, f"{row.injected:,}", row.promised, row.worst, held)
    console.print(table)
    for row in rows:
        for part in row.parts:
            console.print(f"{row.fault}: {part}", markup=False)
        for what in row.broken[:10]:
            console.print(f"{row.fault}: {what}", style="red", markup=False)  # it may have brackets
