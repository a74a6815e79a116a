"""What a form asks for, checked. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from upshift_agent.contract import CPU, MAX_HZ, PROFILES, Kind, Profile, check_target
from upshift_agent.contract.errors import WireError
from upshift_rules.durations import parse_duration

from ..errors import Refused
from ..views.agent_models import AgentView

KINDS = ("boost", "pin", "cap")
MAX_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A lease that somebody wants. duration: as it was typed."""

    target: str
    kind: Kind
    profile: Profile
    hz: int
    duration: str
    duration_ms: int
    reason: str


def asked(form: Mapping[str, Any]) -> Asked:
    """Raise `Refused` naming the first field that cannot be used."""
    kind, hz, duration = (str(form.get(it, "")).strip() for it in ("kind", "hz", "duration"))
    if kind not in KINDS:
        raise _wrong(f"kind must be {', '.join(KINDS)}, got {kind[:40]!r}")
    if not (hz.isascii() and hz.isdigit() and len(hz) < 6 and int(hz) <= MAX_HZ):
        raise _wrong(f"frequency must be a whole number of 0–{MAX_HZ} Hz, got {hz[:40]!r}")
    profile = str(form.get("profile", CPU)).strip()
    if profile not in PROFILES:
        raise _wrong(f"profile must be {', '.join(PROFILES)}, got {profile[:40]!r}")
    return Asked(
        target=target_of(str(form.get("target", ""))),
        kind=cast("Kind", kind),
        profile=profile,
        hz=int(hz),
        duration=duration,
        duration_ms=duration_ms(duration),
        reason=str(form.get("reason", "")).strip()[:MAX_REASON],
    )


def reached(it: Asked, agents: Collection[AgentView]) -> list[AgentView]:
    """Return the live agents that it would be about."""
    return [
        agent
        for agent in agents
        if agent.state != "lost" and it.profile in agent.requested.profiles
    ]


def at_now(it: Asked, agents: Collection[AgentView]) -> list[int]:
    """Return the frequencies that those should run at by now."""
    return sorted({agent.requested.profiles[it.profile].hz for agent in agents})


def target_of(text: str) -> str:
    """A target's name; of a service alone its name will do. Raise `Refused`."""
    name = text.strip()
    if name and "/" not in name and name != "fleet":
        name = f"service/{name}"
    try:
        return check_target(name)
    except WireError as error:
        raise _wrong(str(error)) from error


def duration_ms(text: str) -> int:
    """Raise `Refused`."""
    try:
        return parse_duration(text.strip())
    except ValueError as error:
        raise _wrong(f"duration {error}") from error


def _wrong(why: str) -> Refused:
    return Refused(why, slug="form", status=422)
