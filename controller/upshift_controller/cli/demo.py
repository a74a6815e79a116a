"""`upshift demo`."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running for a look around.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON; the story goes to stderr.")
    ] = False,
) -> None:
    """Watch a real profiler go 19 → 100 → 19 Hz because an alert fires; takes a minute."""
    from ..demo.run import run

    raise typer.Exit(run(keep=keep, as_json=as_json))
