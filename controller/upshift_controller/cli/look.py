"""The verbs that look: `status`, `agents`, `history`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import show
from .client import Client, Json
from .options import DEFAULT_URL, AsJson, CaFile, SomeTarget, TokenFile, Url
from .text import plain


def status(
    target: SomeTarget = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Show leases with their countdown, and what runs where."""
    client = Client(url, token_file, ca_file)
    if target is not None:
        document = client.get("targets", target)
        show.answer(document) if as_json else _one(document)
        return
    document = client.get("targets")
    if as_json:
        show.answer(document)
    else:
        _all(document, client.get("leases"))


def agents(
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Show every agent: requested, applied and achieved Hz, and why."""
    document = Client(url, token_file, ca_file).get("agents")
    if as_json:
        show.answer(document)
        return
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
    """Show who changed what and why, newest first."""
    query: dict[str, str | int] = {"limit": limit}
    if target is not None:
        query["target"] = target
    document = Client(url, token_file, ca_file).get("history", **query)
    if as_json:
        show.answer(document)
        return
    rows = document["entries"]
    show.console().print(show.history(rows) if rows else "Nothing has happened here yet.")


def _all(targets: Json, leases: Json) -> None:
    out = show.console()
    out.print(show.targets(targets["targets"], targets["now_ms"]))
    out.print()
    if leases["leases"]:
        out.print(show.leases(leases["leases"], leases["now_ms"]))
    else:
        out.print("No leases: every agent runs at its baseline.")


def _one(view: Json) -> None:
    out = show.console()
    live = [agent for agent in view["agents"] if agent["state"] != "lost"]
    converged = sum(agent["converged"] for agent in live)
    standing = f"{converged} of {show.counted(len(live), 'live agent')} converged"
    out.print(
        f"{plain(view['target'])}: {standing if live else 'no live agents report'}. "
        f"{show.baseline(view['baseline'])}."
    )
    if view["leases"]:
        out.print()
        out.print(show.leases(view["leases"], view["now_ms"]))
    else:
        out.print("No leases reach it.")
    if view["agents"]:
        out.print()
        out.print(show.agents(view["agents"], of=view["target"]))
