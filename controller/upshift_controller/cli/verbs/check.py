"""`upshift check`: read files as the controller would, without one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..screen import show
from ..screen.text import plain
from ..trying import Tried, connected, tried

if TYPE_CHECKING:
    from ...sources.prometheus.connected import Connected


def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="Rule files, or upshift.yaml."
        ),
    ] = None,
    prometheus: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Try only_if and stop_if on this Prometheus."),
    ] = None,
    prometheus_token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, help="File that holds a token for Prometheus."),
    ] = None,
    schema: Annotated[
        bool,
        typer.Option("--schema", metavar="", help="Print the files' JSON Schema, for editors."),
    ] = False,
) -> None:
    """Check files: every error with its place, and warnings of what is hardly meant.

    Exits 1 if there are errors. Needs no controller. With --prometheus, guards are asked about
    anybody: whether Prometheus takes them, and whether what they are about is there.
    """
    if schema:
        _print_schema()
        return
    if not files:
        raise typer.BadParameter("which file? Give one or more", param_hint="FILE")
    ask = connected(prometheus, prometheus_token_file) if prometheus else None
    sound = [_is_sound(file, ask) for file in files]
    if not all(sound):
        raise typer.Exit(1)


def _is_sound(file: Path, ask: Connected | None) -> bool:
    """Report on one file, and on the one that its `rules:` names."""
    from upshift_rules.documents.advice import advise
    from upshift_rules.documents.located import DocumentError

    from ...configuration import load
    from ...errors import StartRefused

    out, name = show.console(), plain(file)
    try:
        configuration = load(file)
    except StartRefused as error:
        why = error.__cause__
        faults = why.problems if isinstance(why, DocumentError) else [f"{file}: {error}"]
        for fault in faults:
            out.print(plain(fault), style="red", soft_wrap=True)
        return False
    warnings = [it for document in configuration.documents for it in advise(document)]
    warnings += configuration.lifted()
    guards = Tried() if ask is None else tried(configuration.documents, ask)
    warnings += configuration.unasked() if ask is None else guards.warnings
    for bad in guards.faults:
        out.print(plain(bad), style="red", soft_wrap=True)
    for it in warnings:
        said = f"{it.filename}:{it.line}:{it.column}: warning: {it.message}"
        out.print(plain(said), style="yellow", soft_wrap=True)
    rules = show.counted(configuration.entries, "rule")
    if schedules := configuration.rules.schedules:
        rules += f" and {show.counted(len(schedules), 'schedule')}"
    if configuration.rules_from != str(file):
        rules += f" from {plain(configuration.rules_from)}"
    out.print(f"{name}: {rules}, {show.counted(len(warnings), 'warning')}", soft_wrap=True)
    out.print(f"{name}: {configuration.settings.limits.in_words()}", soft_wrap=True)
    for it in guards.answers:
        out.print(plain(it), style="dim", soft_wrap=True)
    return not guards.faults


def _print_schema() -> None:
    from upshift_rules.documents.schema import schema

    from ...settings import Settings

    show.answer(schema(Settings))
