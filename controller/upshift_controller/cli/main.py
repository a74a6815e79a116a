"""The `upshift` command's root: its verbs, and how every one of them ends.

Exit codes: 0; 1 refused, not converged, unreadable or not known; 2 usage; 3 controller unreachable;
130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated

import typer
from typer.core import TyperCommand
from typer.main import get_command

from .. import __version__
from ..runtime.sink import keep_streams_open
from .verb import Verb

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"upshift {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_tell_version, help="Show the version."),
    ] = False,
) -> None:
    """Shift continuous profiling up a gear while an alert fires, and back down on time."""


#: Module, panel of the help, and an example of each verb.
VERBS = {
    "serve": ("serve", "Run", "serve --config upshift.yaml"),
    "check": ("check", "Run", "check upshift.yaml rules/*.yaml"),
    "test": ("test", "Run", "test rules/examples/tests/sampling.yaml"),
    "replay": ("replay", "Run", "replay new.yaml --prometheus http://127.0.0.1:9090 --since 7d"),
    "cost": ("cost", "Run", "cost upshift.yaml --alerts-per-day 10"),
    "demo": ("demo", "Run", "demo --keep"),
    "status": ("look", "Look", "status service/checkout"),
    "agents": ("look", "Look", "agents --json"),
    "history": ("look", "Look", "history service/checkout --limit 20"),
    "watch": ("watch", "Look", "watch"),
    "schedule": ("schedule", "Look", "schedule --next 3"),
    "explain": ("explain", "Look", "explain alert.json"),
    "report": ("look", "Look", "report service/checkout --html report.html"),
    "boost": (
        "override",
        "Change",
        "boost service/checkout --hz 99 --for 10m --reason 'slow carts' --wait",
    ),
    "pin": ("override", "Change", "pin node/worker-3 --hz 49 --for 1h30m"),
    "cap": ("override", "Change", "cap fleet --hz 0 --for 1h  (stops profiling everywhere)"),
    "release": ("override", "Change", "release service/checkout"),
    "forget": ("override", "Change", "forget service/chekcout"),
    "purge": ("removing.purge", "Change", "purge --redis redis-url  (takes Upshift out of Redis)"),
}


class _Verbs(Mapping[str, TyperCommand]):
    """Loads a verb when it is asked for: whoever looks need not wait for the others."""

    def __getitem__(self, name: str) -> TyperCommand:
        module, panel, example = VERBS[name]
        verb = getattr(import_module(f".verbs.{module}", __package__), name)
        alone = typer.Typer(add_completion=False)
        says = f"Example: upshift {example}"
        alone.command(name, cls=Verb, rich_help_panel=panel, epilog=says)(verb)
        return get_command(alone)  # type: ignore[return-value]  # a Typer with one is that one

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


def main() -> None:
    keep_streams_open()  # before anything else is opened
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # TextIOWrapper
    sys.exit(_run())


def _run() -> int:
    try:
        command = get_command(app)
        command.commands = _Verbs()  # type: ignore[attr-defined]  # it has a callback: a group
        return int(command(prog_name="upshift", standalone_mode=False) or 0)
    except typer.TyperException as error:
        return _complain(error)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        said = f"upshift: a defect of this command: {type(error).__name__}: {error}"
        typer.echo(f"{said}\nPlease report it, with what PYTHONDEVMODE=1 shows.", err=True)
        return 1


def _complain(error: typer.TyperException) -> int:
    """Say what was wrong in one place and one form. Return the exit code."""
    message = error.format_message()
    if not message:  # no verb was given, and the help has been shown
        return error.exit_code
    typer.echo(f"upshift: {message}", err=True)
    context = getattr(error, "ctx", None)
    if context is not None:
        typer.echo(f"`{context.command_path} --help` says more.", err=True)
    return error.exit_code
