"""The verbs that look: `status`, `agents`, `history`, `report`.

They ask first: the library that shows the answer is loaded while the controller thinks.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer

from ..client import Client, Json
from ..errors import Failed
from ..options import DEFAULT_URL, AsJson, CaFile, SomeTarget, TokenFile, Url
from ..screen.text import nothing_known

#: For a report a backend is asked dozens of times.
REPORT_S = 150.0


def status(
    target: SomeTarget = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Show leases with their countdown, and what runs where.

    Exits 1 if nothing is known of the target.
    """
    client = Client(url, token_file, ca_file, exact=as_json)
    if target is not None:
        view = _ask(client, "targets", target)
        _must_be_known(view)
        _answer(view) if as_json else _one(view)
        return
    document = _ask(client, "targets")
    _answer(document) if as_json else _all(document, client.get("leases"))


def agents(
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Show every agent: requested, applied and achieved Hz, and why."""
    document = _ask(Client(url, token_file, ca_file, exact=as_json), "agents")
    if as_json:
        _answer(document)
        return
    from ..screen import show

    rows = document["agents"]
    show.console().print(show.agents(rows) if rows else "No agents report to this controller.")


def history(
    target: SomeTarget = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="The newest N entries.")
    ] = 100,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Show who changed what and why, newest first.

    Exits 1 if nothing is known of the target.
    """
    query: dict[str, str | int] = {"limit": limit}
    if target is not None:
        query["target"] = target
    client = Client(url, token_file, ca_file, exact=as_json)
    document = _ask(client, "history", **query)
    rows = document["entries"]
    if target is not None and not rows:
        _must_be_known(client.get("targets", target))
    if as_json:
        _answer(document)
        return
    from ..screen import show

    nothing = f"Nothing has happened to {target} yet." if target else "Nothing happened yet."
    show.console().print(show.history(rows) if rows else nothing)


def report(
    what: Annotated[
        str, typer.Argument(metavar="LEASE|TARGET", help="A lease, or a target's newest boost.")
    ],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="DAYS",
            help="Compare with the same time so many days ago, such as 1d. Default: with as long a"
            " time that ended 5 minutes before the boost.",
        ),
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--md", help="Markdown, for a ticket.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page of its own, with a flame graph."),
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Show which functions take more or less since a boost than before.

    Exits 1 if there is no such boost, or its profiles cannot be read.
    """
    client = Client(url, token_file, ca_file, exact=True, timeout_s=REPORT_S)
    query = {"of": what} | ({"against": against} if against else {})
    document = client.get("report", **query)
    from ...evidence.shown import written
    from ..screen import reported, show

    if html is not None:
        try:
            html.write_text(written.page(document), "utf-8")
        except OSError as error:
            raise Failed(f"cannot write {html}: {error.strerror}") from error
    if as_json:
        show.answer(document)
    elif as_markdown:
        typer.echo(written.markdown(document), nl=False)
    else:
        out = show.console()
        for line in reported.lines(document):
            out.print(line)


def _ask(client: Client, *path: str, **query: str | int) -> Json:
    Thread(target=import_module, args=("..screen.show", __package__)).start()
    return client.get(*path, **query)


def _must_be_known(view: Json) -> None:
    if not view["known"]:
        raise Failed(nothing_known(view))


def _answer(document: Json) -> None:
    from ..screen import show

    show.answer(document)


def _all(targets: Json, leases: Json) -> None:
    from ..screen import show

    out = show.console()
    out.print(show.targets(targets["targets"], targets["now_ms"]))
    show.warnings(out, targets["warnings"])
    out.print()
    if leases["leases"]:
        out.print(show.leases(leases["leases"], leases["now_ms"]))
    else:
        out.print("No leases: every agent runs at its baseline.")


def _one(view: Json) -> None:
    from ..screen import show, text

    out = show.console()
    live = [agent for agent in view["agents"] if agent["state"] != "lost"]
    converged = sum(agent["converged"] for agent in live)
    standing = f"{converged} of {show.counted(len(live), 'live agent')} converged"
    out.print(
        f"{view['target']}: {standing if live else 'no live agents report'}. "
        f"{show.baseline(view['baseline'])}."
    )
    out.print(text.starting(view))
    if view["leases"]:
        out.print()
        out.print(show.leases(view["leases"], view["now_ms"]))
    else:
        out.print("No leases reach it.")
    if view["agents"]:
        out.print()
        out.print(show.agents(view["agents"], of=view["target"]))
