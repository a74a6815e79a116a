"""The `upshift-agent` command's root: its verbs, and how every one of them ends.

Exit codes: 0; 1 refused, or not everything can be profiled; 2 usage; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from .. import __version__

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

bridge = typer.Typer(
    no_args_is_help=True, help="Bridges to OpAMP's supervisors, and to Elastic's APM agents."
)
app.add_typer(bridge, name="bridge")

BridgeConfig = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Default: ./bridge.yaml, or else /etc/upshift/bridge.yaml."),
]
Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Default: ./agent.yaml, or else /etc/upshift/agent.yaml."),
]


class Failed(typer.TyperException):
    """It did not come about; the message is for people."""

    exit_code = 1


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"upshift-agent {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_tell_version, help="Show the version."),
    ] = False,
) -> None:
    """Drive the profilers of processes that know nothing of Upshift."""


@app.command()
def run(config: Config = None) -> None:
    """Find this host's workloads, and profile each as its plan says, until SIGTERM or SIGINT."""
    from ..errors import StartRefused
    from .run import serve

    try:
        serve(config)
    except StartRefused as error:
        raise Failed(str(error)) from error


@app.command()
def check(
    config: Config = None,
    schema: Annotated[
        bool,
        typer.Option("--schema", metavar="", help="Print the file's JSON Schema, for editors."),
    ] = False,
) -> None:
    """Read the configuration as `run` would, and say all that is wrong with it, and where."""
    from ..errors import StartRefused
    from .check import check as checked

    try:
        typer.echo(checked(config, schema=schema))
    except StartRefused as error:
        raise Failed(str(error)) from error


@app.command()
def doctor(
    config: Config = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print it for programs.")
    ] = False,
) -> None:
    """Say what this host can do, what would profile which workload, and why not the method before.

    Exits 1 if a workload cannot be profiled, or the controller's Redis or the backend is away.
    """
    from ..drivers.kinds import KINDS
    from ..errors import StartRefused
    from ..examining.examination import examine, in_words

    try:
        found = examine(config, KINDS)
    except StartRefused as error:
        raise Failed(str(error)) from error
    if as_json:
        import json

        typer.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        typer.echo(in_words(found))
    if not found.well:
        raise typer.Exit(1)


@app.command()
def restore(config: Config = None) -> None:
    """Put every file of `files:` back to the baseline, and have its profiler reload it.

    For after `run` has ended, however it has: ExecStopPost of the unit, a preStop hook. Exits 1 if
    something is not at the baseline.
    """
    from ..errors import StartRefused
    from .restore import restore as restored

    try:
        said, failures = restored(config)
    except StartRefused as error:
        raise Failed(str(error)) from error
    typer.echo(said)
    if failures:
        raise Failed("\n".join(failures))


@app.command("exec", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def exec_(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="An agent.yaml, for what UPSHIFT_* and PYROSCOPE_* in the environment leave out.",
        ),
    ] = None,
    service: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: OTEL_SERVICE_NAME.")
    ] = None,
) -> None:
    """Run a Python application with an agent in it, though it has no line of Upshift's.

    Example: upshift-agent exec --service checkout -- python app.py
    """
    from ..errors import StartRefused
    from .exec import execute

    try:
        execute(ctx.args, config, service)
    except StartRefused as error:
        raise Failed(str(error)) from error


@app.command()
def lend(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="It is made if it is not there.")],
) -> None:
    """Copy what `exec` puts into an application to DIR, for one that runs with PYTHONPATH=DIR.

    For an init container. The application needs this Python's version, and the environment of exec.
    """
    from ..errors import StartRefused
    from .lend import lend as lent

    try:
        typer.echo(lent(folder))
    except StartRefused as error:
        raise Failed(str(error)) from error


@bridge.command()
def opamp(config: BridgeConfig = None) -> None:
    """Be an OpAMP server, and tell each collector its frequency, until SIGTERM or SIGINT."""
    from .bridge import serve

    _or_failed(lambda: serve(config, "opamp"))


@bridge.command()
def elastic(config: BridgeConfig = None) -> None:
    """Stand before an APM Server, and put each agent's interval into its settings, until SIGTERM
    or SIGINT."""
    from .bridge import serve

    _or_failed(lambda: serve(config, "elastic"))


@bridge.command("check")
def check_bridge(
    config: BridgeConfig = None,
    schema: Annotated[
        bool,
        typer.Option("--schema", metavar="", help="Print the file's JSON Schema, for editors."),
    ] = False,
) -> None:
    """Read the bridges' configuration, and say all that is wrong with it, and where."""
    from .bridge import check

    _or_failed(lambda: typer.echo(check(config, schema=schema)))


def _or_failed(work: Callable[[], None]) -> None:
    from ..errors import StartRefused

    try:
        work()
    except StartRefused as error:
        raise Failed(str(error)) from error


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # TextIOWrapper
    sys.exit(_run())


def _run() -> int:
    try:
        return int(get_command(app)(prog_name="upshift-agent", standalone_mode=False) or 0)
    except typer.TyperException as error:
        return _complain(error)
    except (KeyboardInterrupt, typer.Abort):
        return 130


def _complain(error: typer.TyperException) -> int:
    message = error.format_message()
    if not message:  # no verb was given, and the help has been shown
        return error.exit_code
    typer.echo(f"upshift-agent: {message}", err=True)
    context = getattr(error, "ctx", None)
    if context is not None:
        typer.echo(f"`{context.command_path} --help` says more.", err=True)
    return error.exit_code
