"""The `upshift` command's root: its verbs, and how every one of them ends.

Exit codes: 0; 1 refused or not converged; 2 usage; 3 controller unreachable; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from .. import __version__
from . import look, override
from .check import check
from .cost import cost
from .demo import demo
from .explain import explain
from .serve import serve
from .watch import watch

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
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


def _add(panel: str, verb: Callable[..., None], example: str) -> None:
    app.command(rich_help_panel=panel, epilog=f"Example: {example}")(verb)


_add("Run", serve, "upshift serve --config upshift.yaml")
_add("Run", check, "upshift check upshift.yaml rules/*.yaml")
_add("Run", cost, "upshift cost upshift.yaml --alerts-per-day 10")
_add("Run", demo, "upshift demo --keep")
_add("Look", look.status, "upshift status service/checkout")
_add("Look", look.agents, "upshift agents --json")
_add("Look", look.history, "upshift history service/checkout --limit 20")
_add("Look", watch, "upshift watch")
_add("Look", explain, "upshift explain alert.json")
_add(
    "Change",
    override.boost,
    "upshift boost service/checkout --hz 99 --for 10m --reason 'slow carts' --wait",
)
_add("Change", override.pin, "upshift pin node/worker-3 --hz 49 --for 1h30m")
_add("Change", override.cap, "upshift cap fleet --hz 0 --for 1h  (stops profiling everywhere)")
_add("Change", override.release, "upshift release service/checkout")


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # TextIOWrapper
    sys.exit(_run())


def _run() -> int:
    try:
        return int(app(prog_name="upshift", standalone_mode=False) or 0)
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
