"""The `upshift` command's root: what it is, and its verbs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def root() -> None:
    """Shift continuous profiling up a gear while an alert fires, and back down on time."""


@app.command()
def serve(
    config: Annotated[Path | None, typer.Option(help="upshift.yaml")] = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT of the API")] = None,
    redis: Annotated[str | None, typer.Option(help="redis://, rediss:// or unix:// URL")] = None,
    data: Annotated[str | None, typer.Option(help="folder of the own Valkey")] = None,
) -> None:
    """Run the controller."""
    from ..app import serve as run

    asyncio.run(run(config, listen=listen, redis=redis, data=data))


def main() -> None:
    app()
