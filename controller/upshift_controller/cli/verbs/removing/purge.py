"""`upshift purge`: every key of a namespace, on whatever Redis it is, after asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from upshift_agent.contract import DEFAULT_NAMESPACE
from upshift_agent.contract.errors import UpshiftError

from ...direct import url_in
from ...errors import Failed, Unreachable

T = TypeVar("T")


def purge(
    redis: Annotated[
        str,
        typer.Option(
            metavar="URL|FILE",
            help="Redis, as the controllers have it. A file that holds the URL keeps its password "
            "out of the list of processes. Its user needs SCAN and UNLINK: an administrator.",
        ),
    ],
    namespace: Annotated[
        str,
        typer.Option(
            envvar="UPSHIFT_NAMESPACE", metavar="NAME", help="The controllers' namespace."
        ),
    ] = DEFAULT_NAMESPACE,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            metavar="",
            help="Even while controllers or agents are there, which write some keys again.",
        ),
    ] = False,
) -> None:
    """Delete everything that Upshift keeps in Redis: plans, states, history, statuses.

    Agents that still run are back at their baseline when their leases end.
    """
    import logging

    from upshift_agent.contract import Keys

    from .... import log
    from ....errors import Unavailable
    from ....runtime import threads
    from ....storage.connect import Servers
    from ....storage.purging import look, remove

    log.configure(logging.ERROR)
    url = url_in(redis, "--redis")

    async def over(what: Callable[[Servers, Keys], Awaitable[T]]) -> T:
        servers = Servers(url)
        try:
            return await what(servers, Keys(namespace))
        finally:
            await servers.aclose()

    try:
        found = threads.run(over(look))
        typer.echo(f"Namespace {namespace}: {_keys(found.keys)}, {found.in_use}.")
        if found.is_in_use and not force:
            raise Failed(
                "refused: it is in use. Stop the controllers and agents first (statuses of killed "
                "agents count for 45 s), or say --force"
            )
        if not found.keys:
            return
        if not (yes or typer.confirm(f"Delete {_keys(found.keys)}, for good?")):
            raise Failed("nothing was deleted")
        typer.echo(f"Deleted {_keys(threads.run(over(remove)))}.")
    except Unavailable as error:
        raise Unreachable(f"{error.detail}. The next try finds what is left") from error
    except UpshiftError as error:
        raise Failed(f"refused: {error}") from error
    except typer.Abort as error:  # no terminal, or Ctrl-C
        raise Failed("nothing was deleted; --yes does not ask") from error


def _keys(count: int) -> str:
    return f"{count:,} key" + ("" if count == 1 else "s")
