"""The verbs that change something: `boost`, `pin`, `cap`, `release`."""

from __future__ import annotations

import getpass
from collections.abc import Callable

import typer

from upshift_agent.wire import DEFAULT_NAMESPACE, FLEET, Kind

from . import options, show, text
from .client import Client, Json
from .direct import Direct
from .errors import Failed
from .options import (
    DEFAULT_URL,
    BoostHz,
    BreakGlass,
    CaFile,
    For,
    Hz,
    LeaseOrTarget,
    Namespace,
    Reason,
    SecretFile,
    Target,
    TokenFile,
    Url,
    Wait,
    WaitTimeout,
    Where,
)

_DONE = {"boost": "is boosted to", "pin": "is pinned to", "cap": "is capped at"}


def _verb(kind: Kind, says: str) -> Callable[..., None]:
    def verb(
        target: Target,
        hz: Hz,
        duration: For,
        where: Where = None,
        reason: Reason = "",
        wait: Wait = False,
        wait_timeout: WaitTimeout = "30s",
        url: Url = DEFAULT_URL,
        token_file: TokenFile = None,
        ca_file: CaFile = None,
        direct: BreakGlass = None,
        secret_file: SecretFile = None,
        namespace: Namespace = DEFAULT_NAMESPACE,
    ) -> None:
        if direct is not None and wait:
            raise typer.BadParameter("agents are not watched with --direct", param_hint="--wait")
        body: Json = {
            "target": target,
            "kind": kind,
            "hz": hz,
            "duration": duration,
            "where": options.where(where or []),
            "reason": reason,
            "by": _user(),
        }
        if direct is not None:
            outcome = Direct(direct, namespace, secret_file).override(body)
        else:
            client = Client(url, token_file, ca_file)
            outcome = client.post("leases", body=body)["outcome"]
        show.console().print(_account(body, outcome), soft_wrap=True)
        if direct is not None:
            return
        from .wait import note_unless_reached, wait_for

        if wait:
            wait_for(client, target, outcome["lease"], wait_timeout)
        else:
            note_unless_reached(client, target, outcome["lease"])

    verb.__name__, verb.__doc__ = kind, says
    if kind == "boost":
        verb.__annotations__["hz"] = BoostHz
    return verb


boost = _verb(
    "boost",
    "Raise a target's frequency for a while. A boost never lowers; the highest one counts.",
)
pin = _verb("pin", "Set a target's frequency for a while, whatever boosts say. Caps still bind.")
cap = _verb(
    "cap",
    "Hold a target's frequency down for a while. Nothing gets past a cap; "
    "`cap fleet --hz 0` stops profiling everywhere.",
)


def release(
    what: LeaseOrTarget,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    direct: BreakGlass = None,
    secret_file: SecretFile = None,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """End a lease now, or every lease of a target. Rules may grant new ones."""
    whole = what == FLEET or what.startswith(("service/", "node/"))
    if whole:
        options.target(what)
    elif "/" not in what:
        raise typer.BadParameter(
            "a lease is called like boost/3f9a01bc (see `upshift status`), a target is "
            f"service/NAME, node/NAME or fleet, got {what!r}",
            param_hint="LEASE|TARGET",
        )
    if direct is not None:
        glass = Direct(direct, namespace, secret_file)
        outcome = (glass.release_all if whole else glass.release)(what, _user())
    else:
        client = Client(url, token_file, ca_file)
        path = ("targets", what, "leases") if whole else ("leases", what)
        try:
            outcome = client.delete(*path, by=_user())["outcome"]
        except Failed:
            if whole and not (view := client.get("targets", what))["known"]:
                raise Failed(text.nothing_known(view)) from None
            raise
    show.console().print(f"{text.plain(outcome['target'])}: {text.plain(outcome['reason'])}")


def _account(asked: Json, outcome: Json) -> str:
    target, hz, lease = text.plain(asked["target"]), asked["hz"], outcome["lease"]
    done = f"{target} {_DONE[asked['kind']]} {hz} Hz"
    if hz == 0:
        done = f"profiling stops {'everywhere' if target == FLEET else f'on {target}'}"
    limits = text.only(asked["where"])
    until = f"{text.clock(outcome['until_ms'])} {text.zone()}"
    return (
        f"{lease}: {done} for {asked['duration']}, until {until}"
        + (f", {limits}" if limits else "")
        + f".\nTo end it early: upshift release {lease}"
    )


def _user() -> str:
    try:
        return getpass.getuser()[:64]
    except (OSError, KeyError):  # a container's user id may have no name
        return ""
