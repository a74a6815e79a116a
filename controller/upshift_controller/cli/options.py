"""Options and arguments that several verbs share: what they look like, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from upshift_agent.contract import (
    ALL,
    FLEET,
    MAX_HZ,
    MAX_LEASE_MS,
    PROFILES,
    check_target,
    is_plain,
    shorten,
)
from upshift_agent.contract.errors import WireError
from upshift_rules.durations import format_duration, parse_duration

from .client import Client

DEFAULT_URL = "http://127.0.0.1:9095"
_COMPLETION_TIMEOUT_S = 1.0
_LONGEST = format_duration(MAX_LEASE_MS)


def target(text: str) -> str:
    """A target as it is written everywhere. A bare name is not guessed at: it may be a typo."""
    try:
        return check_target(text)
    except WireError as error:
        meant = f"; did you mean service/{text}?" if text and "/" not in text else ""
        raise typer.BadParameter(f"{error}{meant}") from error


def hz(text: str, lowest: int = 0, otherwise: str = "") -> int:
    if not (text.isascii() and text.isdigit() and lowest <= int(text[:9]) <= MAX_HZ):
        raise typer.BadParameter(
            f"must be a whole number of Hz, {lowest}–{MAX_HZ}, got {shorten(text)}{otherwise}"
        )
    return int(text)


def boost_hz(text: str) -> int:
    return hz(text, 1, "; `upshift cap TARGET --hz 0` stops profiling" if text == "0" else "")


def profile(text: str, *more: str) -> str:
    known = (*PROFILES, *more)
    if text not in known:
        raise typer.BadParameter(f"must be {' or '.join(known)}, got {shorten(text)}")
    return text


def cap_profile(text: str) -> str:
    return profile(text, ALL)


def duration(text: str) -> str:
    try:
        parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return text


def lease_duration(text: str) -> str:
    if not 1000 <= parse_duration(duration(text)) <= MAX_LEASE_MS:
        raise typer.BadParameter(f"must be 1s–{_LONGEST}, for every lease has an end; got {text}")
    return text


def where(pairs: list[str]) -> dict[str, list[str]]:
    """`key=value` pairs → attribute filter. A key given twice means any of its values."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals and value and is_plain(pair)):
            raise typer.BadParameter(
                "must be KEY=VALUE on one line, such as deployment.environment.name=staging, "
                f"got {shorten(pair)}",
                param_hint="--where",
            )
        found.setdefault(key, []).append(value)
    return found


def _targets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names that a controller knows; none when it can't be asked. For shell completion."""
    try:
        client = _client(ctx)
        names = [row["target"] for row in client.get("targets")["targets"]]
    except typer.TyperException:
        return []
    return [name for name in names if name.startswith(incomplete)]


def _leases_and_targets(ctx: typer.Context, incomplete: str) -> list[str]:
    try:
        leases = _client(ctx).get("leases")["leases"]
    except typer.TyperException:
        return []
    names = [name for row in leases for name in (row["id"], row["target"])]
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def _client(ctx: typer.Context) -> Client:
    url, token_file, ca_file = map(ctx.params.get, ("url", "token_file", "ca_file"))
    return Client(url or DEFAULT_URL, token_file, ca_file, timeout_s=_COMPLETION_TIMEOUT_S)


Url = Annotated[
    str,
    typer.Option(envvar="UPSHIFT_URL", metavar="URL", help="Where the controller listens."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        envvar="UPSHIFT_TOKEN_FILE",
        metavar="FILE",
        help="File that holds the token, where the controller asks for one.",
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        envvar="UPSHIFT_CA_FILE",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="CA certificates that the controller's must be of. Default: the public ones.",
    ),
]
BreakGlass = Annotated[
    str | None,
    typer.Option(
        "--direct",
        metavar="URL|FILE",
        help="Do it straight in this Redis, with no controller running. A file that holds the URL "
        "keeps its password out of the list of processes. No limits apply.",
    ),
]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        envvar="UPSHIFT_SECRET_FILE",
        metavar="FILE",
        help="With --direct: the controllers' secrets, where plans are signed.",
    ),
]
Namespace = Annotated[
    str,
    typer.Option(
        envvar="UPSHIFT_NAMESPACE",
        metavar="NAME",
        help="With --direct: the controllers' namespace.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", metavar="", help="Print the API's answer, for programs.")
]
_TARGET = f"service/NAME, node/NAME or {FLEET}"
Target = Annotated[
    str,
    typer.Argument(metavar="TARGET", parser=target, autocompletion=_targets, help=_TARGET),
]
SomeTarget = Annotated[
    str | None,
    typer.Argument(
        metavar="TARGET", parser=target, autocompletion=_targets, help=f"Only this: {_TARGET}."
    ),
]
LeaseOrTarget = Annotated[
    str,
    typer.Argument(
        metavar="LEASE|TARGET",
        autocompletion=_leases_and_targets,
        help=f"A lease, such as boost/3f9a01bc, or every lease of {_TARGET}.",
    ),
]
_UNIT = "Samples per second, of heap snapshots per hour"
Hz = Annotated[
    int,
    typer.Option("--hz", parser=hz, metavar="HZ", help=f"{_UNIT}, 0–{MAX_HZ}."),
]
BoostHz = Annotated[
    int,
    typer.Option("--hz", parser=boost_hz, metavar="HZ", help=f"{_UNIT}, 1–{MAX_HZ}."),
]
OfProfile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        parser=profile,
        metavar="PROFILE",
        help=f"What it is about: {', '.join(PROFILES)}. Default: cpu.",
    ),
]
OfCapProfile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        parser=cap_profile,
        metavar="PROFILE",
        help=f"What it is about: {', '.join(PROFILES)}, or {ALL} at once. Default: cpu, and with "
        f"--hz 0 {ALL}.",
    ),
]
For = Annotated[
    str,
    typer.Option(
        "--for",
        parser=lease_duration,
        metavar="DURATION",
        help=f"How long, such as 90s, 10m or 1h30m; {_LONGEST} at most.",
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Only agents with this attribute. Several keys: all must fit; "
        "one key several times: any of its values.",
    ),
]
Reason = Annotated[
    str, typer.Option(metavar="TEXT", help="Why; the history and the agents' status show it.")
]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait",
        metavar="",
        help="Wait until every agent that it reaches has applied it; exit 1 if one does not.",
    ),
]
WaitTimeout = Annotated[
    str,
    typer.Option(parser=duration, metavar="DURATION", help="How long to --wait at most."),
]
