"""`upshift demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import Failed


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running for a look around.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON; the story goes to stderr.")
    ] = False,
) -> None:
    """Watch a real profiler go 19 → 100 → 19 Hz because an alert fires; takes a minute."""
    from ...demo.errors import DemoFailed
    from ...demo.run import run

    try:
        code = run(keep=keep, as_json=as_json)
    except DemoFailed as error:
        raise Failed(str(error)) from error
    raise typer.Exit(code)
