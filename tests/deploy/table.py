"""The table of `make deploy-test`: what is deployed, how it was tried, and what came of it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from rich.console import Console
from rich.table import Table

from deploy import parts

ROOT = Path(__file__).parents[2]

#: real: the part itself ran, and did what it is for. validated only: its own program, or a schema
#: of its makers, has read what we wrote. untested: neither could be had.
How = Literal["real", "validated only", "untested"]
WORDS: tuple[How, ...] = get_args(How)
#: What became of one test, as pytest says it.
Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One part.

    version: of what was tried, or what is written for; a function where only the machine knows.
    tests: files or tests, from `tests/` on (`deploy/real/test_x.py::test_y`); of an untested one
    there are none.
    note: what the word leaves out, or why it is untested.
    guides: pages, from the root on, that carry this part's word.
    """

    part: str
    version: str | Callable[[], str]
    how: How
    tests: tuple[str, ...] = ()
    note: str = ""
    guides: tuple[str, ...] = ()

    def version_said(self) -> str:
        if isinstance(self.version, str):
            return self.version
        try:
            return self.version()
        except (OSError, LookupError, AssertionError):
            return "not here"


def rows(only: Iterable[str] = ()) -> list[Row]:
    """Of all modules in `parts`, or of those named."""
    names = set(only) or {module.name for module in pkgutil.iter_modules(parts.__path__)}
    modules = [importlib.import_module(f"deploy.parts.{name}") for name in sorted(names)]
    return [row for module in modules for row in module.ROWS]


def word(page: str, among: Iterable[Row]) -> str:
    """The line that a page carries: how each of its parts was tried."""
    said = []
    for how in WORDS:
        names = [row.part for row in among if row.how == how and page in row.guides]
        if names:
            said.append(f"**{how[0].upper()}{how[1:]}:** {', '.join(names)}.")
    return " ".join(said)


def result(row: Row, outcomes: Mapping[str, Outcome]) -> str:
    """outcomes: of tests, by pytest's names for them (`tests/deploy/real/test_x.py::test_y[z]`)."""
    if row.how == "untested":
        return "–"
    named = tuple(f"tests/{it}" for it in row.tests)
    seen = [it for name, it in outcomes.items() if any(_is_of(name, test) for test in named)]
    if "failed" in seen:
        return f"FAILED, {seen.count('failed')} of {len(seen)}"
    if not seen or "passed" not in seen:
        return "not run here"
    left_out = seen.count("skipped")
    return f"held, {len(seen) - left_out}" + (f"; {left_out} not run here" if left_out else "")


def _is_of(name: str, test: str) -> bool:
    return name == test or name.startswith((f"{test}::", f"{test}[", f"{test}/"))


def show(rows: Iterable[Row], outcomes: Mapping[str, Outcome], console: Console) -> None:
    table = Table(title="What is deployed", title_justify="left", expand=False)
    for heading in ("part", "version", "tried", "result", "what that leaves out"):
        table.add_column(heading)
    for row in rows:
        said = result(row, outcomes)
        style = {"F": "red", "h": "green"}.get(said[0], "yellow")
        table.add_row(row.part, row.version_said(), row.how, f"[{style}]{said}", row.note)
    console.print(table)
