"""`upshift test`: rules, held to what their tests expect, in virtual time. Needs no controller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from upshift_rules.durations import format_duration

from ..screen import show
from ..screen.text import plain

if TYPE_CHECKING:
    from rich.table import Table

    from upshift_rules.documents.located import Located
    from upshift_rules.trials.document import RuleTestsDocument
    from upshift_rules.trials.testing import Happened, Result


def test(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="Rule tests; each names its rules."
        ),
    ] = None,  # noqa: PT028  # a verb, and no test of pytest
    schema: Annotated[
        bool,
        typer.Option("--schema", metavar="", help="Print the files' JSON Schema, for editors."),
    ] = False,  # noqa: PT028  # as above
) -> None:
    """Run tests of rules, in virtual time: alerts in; leases, Hz per agent and history out.

    Exits 1 if one fails, or cannot be read. Needs no controller.
    """
    if schema:
        _print_schema()
        return
    if not files:
        raise typer.BadParameter("which file? Give one or more", param_hint="FILE")
    out = show.console()
    passed = failed = unread = 0
    for file in files:
        out.print(Text(plain(file), "bold"))
        try:
            for result in _results(file):
                _show(result)
                passed, failed = passed + (not result.problems), failed + bool(result.problems)
        except _Unread as error:
            unread += 1
            for line in str(error).splitlines():
                out.print(Text(f"  {plain(line)}", "red"), soft_wrap=True)
    said = f"{show.counted(passed, 'test')} passed"
    said += f", {failed} failed" if failed else ""
    said += f", {show.counted(unread, 'file')} could not be read" if unread else ""
    bad = failed or unread
    out.print(Text(said, "red" if bad else "green"))
    if bad:
        raise typer.Exit(1)


class _Unread(Exception):
    """A file, or one that it names, cannot be used: every fault, one a line."""


def _results(file: Path) -> Iterator[Result]:
    from upshift_rules.documents.located import DocumentError
    from upshift_rules.text import show as show_text
    from upshift_rules.trials.agents import read_agents
    from upshift_rules.trials.beside.told import not_asked
    from upshift_rules.trials.document import read_tests
    from upshift_rules.trials.testing import run_tests

    from ...configuration import load
    from ...errors import StartRefused
    from ...sources.virtual_time import SOURCES

    try:
        located = read_tests(file.read_bytes(), str(file))
        document, members = located.document, []
        if document.agents_from is not None:
            beside = _named(located, "agents_from", file.parent / document.agents_from)
            members = read_agents(beside.read_bytes(), str(beside)).document.members()
            if twice := {it.name for it in members} & document.agents.keys():
                said = f"agent {show_text(min(twice))} is in agents_from too; give it another name"
                raise _Unread(str(located.source.problem_of_key(("agents", min(twice)), said)))
        configuration = load(_named(located, "rules", file.parent / document.rules))
    except (DocumentError, StartRefused) as error:
        raise _Unread(str(error)) from error
    answered = {(it.rule, it.guard) for test in document.tests for it in test.answers}
    if said := not_asked(configuration.rules, answered):
        show.console().print(Text(f"  {said}", "dim"), soft_wrap=True)
    yield from run_tests(located, members, configuration.rules, configuration.limits, SOURCES)


def _named(located: Located[RuleTestsDocument], field: str, file: Path) -> Path:
    """Return a file that another one names, if it is one that can be read."""
    try:
        with file.open("rb"):
            return file
    except OSError as error:
        said = f"{field} names {plain(file)}, which cannot be read: {error.strerror}"
        raise _Unread(str(located.source.problem((field,), said))) from error


def _show(result: Result) -> None:
    out, sound = show.console(), not result.problems
    mark = Text("  ✓ ", "green") if sound else Text("  ✗ ", "red")
    out.print(mark + Text(plain(result.name)), soft_wrap=True)
    if sound:
        return
    for it in result.problems:
        out.print(Text(f"      {plain(it)}", "red"), soft_wrap=True)
    out.print(Padding(_story(result.story), (0, 0, 0, 6)))


def _story(story: Sequence[Happened]) -> Table:
    grid = show.table(">AT", "WHAT HAPPENED", "WHY")
    for it in story:
        grid.add_row(format_duration(it.at_ms), plain(it.what), plain(it.why), style="dim")
    return grid


def _print_schema() -> None:
    from upshift_rules.documents.schema import schema
    from upshift_rules.trials.document import RuleTestsDocument

    show.answer(schema(RuleTestsDocument))
