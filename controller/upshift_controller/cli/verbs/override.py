"""The verbs that change something: `boost`, `pin`, `cap`, `release`, `forget`."""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import typer

from upshift_agent.contract import ALL, CPU, DEFAULT_NAMESPACE, FLEET, Kind, shown

from .. import options
from ..client import Client, Json
from ..direct import Direct
from ..errors import Failed, Unreachable
from ..options import (
    DEFAULT_URL,
    AsJson,
    BoostHz,
    BreakGlass,
    CaFile,
    For,
    Hz,
    LeaseOrTarget,
    Namespace,
    OfCapProfile,
    OfProfile,
    Reason,
    SecretFile,
    Target,
    TokenFile,
    Url,
    Wait,
    WaitTimeout,
    Where,
)
from ..screen import show, text

StopIf = Annotated[
    str | None,
    typer.Option(
        metavar="PROMQL",
        help="End it early when this is true twice in a row, of the Prometheus in upshift.yaml.",
    ),
]
#: Of those that are no boosts; the controller says so.
NoStopIf = Annotated[str | None, typer.Option("--stop-if", hidden=True)]
#: A lease's name: whose it is, and eight hexadecimal digits.
_LEASE = re.compile(r".+/[0-9a-f]{8}", re.DOTALL)
_DONE = {"boost": "is boosted to", "pin": "is pinned to", "cap": "is capped at"}


def _verb(kind: Kind, says: str) -> Callable[..., None]:
    def verb(
        target: Target,
        hz: Hz,
        duration: For,
        profile: OfProfile = None,
        where: Where = None,
        stop_if: StopIf = None,
        reason: Reason = "",
        wait: Wait = False,
        wait_timeout: WaitTimeout = "30s",
        url: Url = DEFAULT_URL,
        token_file: TokenFile = None,
        ca_file: CaFile = None,
        direct: BreakGlass = None,
        secret_file: SecretFile = None,
        namespace: Namespace = DEFAULT_NAMESPACE,
        as_json: AsJson = False,
    ) -> None:
        if direct is not None and wait:
            raise typer.BadParameter("agents are not watched with --direct", param_hint="--wait")
        if direct is not None and stop_if is not None:
            raise typer.BadParameter("nobody asks it with --direct", param_hint="--stop-if")
        body: Json = {
            "target": target,
            "kind": kind,
            "profile": profile,
            "hz": hz,
            "duration": duration,
            "where": options.where(where or []),
            "stop_if": stop_if,
            "reason": text.plain(reason),
            "by": _user(),
        }
        if direct is not None:
            outcome = Direct(direct, namespace, secret_file).override(body)
        else:
            client = Client(url, token_file, ca_file, exact=as_json)
            outcome = client.post("leases", body=body)["outcome"]
        _tell(outcome, _account(body, outcome), as_json=as_json)
        if direct is not None:
            if beyond := outcome["reason"].partition("; ")[2]:
                show.console(stderr=True).print(f"Note: {beyond}", soft_wrap=True)
            return
        from .wait import note_unless_reached, wait_for

        if wait:
            wait_for(client, target, outcome["lease"], wait_timeout, stderr=as_json)
        else:
            note_unless_reached(client, target, outcome["lease"])

    verb.__name__, verb.__doc__ = kind, says
    if kind == "boost":
        verb.__annotations__["hz"] = BoostHz
    else:
        verb.__annotations__["stop_if"] = NoStopIf
    if kind == "cap":
        verb.__annotations__["profile"] = OfCapProfile
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
    as_json: AsJson = False,
) -> None:
    """End a lease now, or every lease of a target. Rules may grant new ones."""
    # A rule may be called service/checkout, and what it grants service/checkout/3f9a01bc.
    lease = _LEASE.fullmatch(what) is not None
    whole = what == FLEET or what.startswith(("service/", "node/"))
    if whole:
        options.target(what)
    elif not lease:
        raise typer.BadParameter(
            "a lease is called like boost/3f9a01bc (see `upshift status`), a target is "
            f"service/NAME, node/NAME or fleet, got {what!r}",
            param_hint="LEASE|TARGET",
        )
    if direct is not None:
        glass = Direct(direct, namespace, secret_file)
        ways = [glass.release] * lease + [glass.release_all] * whole
        outcome = _first([partial(way, what, _user()) for way in ways])
    else:
        client = Client(url, token_file, ca_file, exact=as_json)
        paths = [("leases", what)] * lease + [("targets", what, "leases")] * whole
        try:
            answer = _first([partial(client.delete, *path, by=_user()) for path in paths])
            outcome = answer["outcome"]
        except Failed:
            if whole and not (view := client.get("targets", what))["known"]:
                raise Failed(text.nothing_known(view)) from None
            raise
    _tell(outcome, f"{outcome['target']}: {outcome['reason']}", as_json=as_json)


def forget(
    target: Target,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    as_json: AsJson = False,
) -> None:
    """Show a target no more, such as a slip of the pen. It has no lease and no live agent."""
    answer = Client(url, token_file, ca_file, exact=as_json).delete("targets", target, by=_user())
    if as_json:
        show.answer(answer)
    else:
        show.console().print(f"{answer['target']} is shown no more; `history` still tells of it")


def _tell(outcome: Json, said: str, *, as_json: bool) -> None:
    if as_json:
        show.answer({"outcome": outcome})
    else:
        show.console().print(said, soft_wrap=True)


def _first(ways: Sequence[Callable[[], Json]]) -> Json:
    """What the first way that is not refused says, or the last."""
    for way in ways[:-1]:
        try:
            return way()
        except Unreachable:
            raise
        except Failed:
            continue
    return ways[-1]()


def _account(asked: Json, outcome: Json) -> str:
    target, hz, lease, profile = asked["target"], asked["hz"], outcome["lease"], outcome["profile"]
    if hz == 0:
        what = "profiling" if profile == ALL else f"{profile} profiling"
        done = f"{what} stops {'everywhere' if target == FLEET else f'on {target}'}"
    else:
        whose = {CPU: target, ALL: f"every profile of {target}"}
        what = whose.get(profile, f"{profile} of {target}")
        done = f"{what} {_DONE[asked['kind']]} {shown(profile, hz)}"
    limits = text.only(asked["where"])
    until = f"{text.clock(outcome['until_ms'])} {text.zone()}"
    return (
        f"{lease}: {done} for {asked['duration']}, until {until}"
        + (f", {limits}" if limits else "")
        + f".\nTo end it early: upshift release {lease}"
    )


def _user() -> str:
    try:
        return text.plain(getpass.getuser())[:64]
    except (OSError, KeyError):  # a container's user id may have no name
        return ""
