"""`upshift schedule`: which schedules there are, what is open now, and when they come next."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ..client import Client, Json
from ..options import DEFAULT_URL, AsJson, CaFile, TokenFile, Url
from ..rules_file import read, rules_file
from ..screen import show


def schedule(
    file: Annotated[
        Path | None,
        rules_file("A rule file, or upshift.yaml: show its schedules, and ask no controller."),
    ] = None,
    count: Annotated[
        int, typer.Option("--next", min=1, max=20, metavar="N", help="The next N times of each.")
    ] = 5,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Show schedules and when they begin next, in their own time zones."""
    if file is not None:
        document = _in_file(file, count)
    else:
        client = Client(url, token_file, ca_file, exact=as_json)
        document = client.get("schedules", next=count)
    if as_json:
        show.answer(document)
        return
    from ..screen import scheduled

    out = show.console()
    if document["schedules"]:
        out.print(scheduled.table(document))
    else:
        out.print("There are no schedules.")


def _in_file(file: Path, count: int) -> Json:
    import asyncio

    from ...views.schedules import shown

    now_ms = int(time.time() * 1000)
    return asyncio.run(shown(read(file).rules.schedules, now_ms, count)).model_dump()
