"""`upshift serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import Failed


def serve(
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Settings. Default: ./upshift.yaml, where there is one.",
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Address of the API. Default: 127.0.0.1:9095."),
    ] = None,
    redis: Annotated[
        str | None,
        typer.Option(
            envvar="UPSHIFT_REDIS_URL",  # where a password is seen by fewer than in `ps`
            metavar="URL",
            help="redis://, rediss:// or unix:// URL. Default: it starts a Valkey of its own.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Folder of its own Valkey. Default: upshift-data, beside the settings' file.",
        ),
    ] = None,
    record: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Keep webhooks there, for `upshift replay`; secrets are taken out.",
        ),
    ] = None,
) -> None:
    """Run the controller."""
    from ...errors import StartRefused
    from ...runtime.threads import run
    from ...serving import serve as served
    from ...settings import split_listen

    if redis is not None:
        redis = redis.strip()  # a file that became a variable ends with a line
    try:
        if listen is not None:
            split_listen(listen)
    except StartRefused as error:
        raise typer.BadParameter(str(error), param_hint="--listen") from error
    try:
        run(served(config, listen=listen, redis=redis, data=data, record=record))
    except StartRefused as error:
        raise Failed(str(error)) from error
