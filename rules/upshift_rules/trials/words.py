"""Leases and what happened to them in words: those that are expected, and those that are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from upshift_agent.contract import CPU, Lease, Profile, Where, canonical, shown, shown_all

from ..durations import format_duration
from ..leases.changes import Entry
from .document import HappenedEntry, LeaseEntry
from .trial import Step

Facts = Mapping[str, object]
BOOST = "boost"


def wanted(expected: LeaseEntry | HappenedEntry) -> Facts:
    """Return what an entry says of a lease."""
    found = {name: getattr(expected, name) for name in expected.model_fields_set}
    if isinstance(where := found.get("where"), dict):
        found["where"] = _plain(where)
    return {name: value for name, value in found.items() if value is not None}


def facts_of(target: str, lease: Lease, now_ms: int) -> Facts:
    """Return all that an entry could say of a lease."""
    return {
        "target": target,
        "rule": lease.cause.rule,
        "schedule": lease.cause.schedule,
        "kind": lease.kind,
        "profile": lease.profile,
        "hz": lease.hz,
        "left": lease.expires_at_ms - now_ms,
        "where": _plain(lease.where),
        "fraction": lease.fraction,
    }


def happened(step: Step, entry: Entry, start_ms: int) -> Facts:
    """Return all that an entry could say of a line of history."""
    known = {"at": step.at_ms - start_ms, "event": entry.event, "target": step.after.target}
    lease = entry.lease
    if lease is None:
        return known | {"rule": None, "schedule": None, "hz": None}
    return known | {"rule": lease.cause.rule, "schedule": lease.cause.schedule, "hz": lease.hz}


def in_words(facts: Facts) -> str:
    """A lease, as far as it is known: `high_cpu on service/checkout, 100 Hz, 4m left`."""
    said = [" on ".join(str(facts[it]) for it in ("rule", "schedule", "target") if facts.get(it))]
    if facts.get("kind", BOOST) != BOOST:
        said.append(str(facts["kind"]))
    profile = str(facts.get("profile", CPU))
    if isinstance(hz := facts.get("hz"), int):
        said.append(shown(profile, hz) if profile == CPU else f"{profile} {shown(profile, hz)}")
    elif "profile" in facts:
        said.append(profile)
    if isinstance(left := facts.get("left"), int):
        said.append(f"{format_duration(left)} left")
    if isinstance(where := facts.get("where"), dict) and where:
        pairs = (
            f"{key}={it if isinstance(it, str) else '|'.join(it)}" for key, it in where.items()
        )
        said.append("only " + ", ".join(pairs))
    if facts.get("fraction", 1.0) != 1.0:
        said.append(f"fraction {facts['fraction']}")
    return ", ".join(filter(None, said)) or "any"


def line(facts: Facts) -> str:
    """A line of history: `granted at 5m: high_cpu on service/checkout, 100 Hz`."""
    at = format_duration(cast("int", facts["at"]))
    more = {name: value for name, value in facts.items() if name not in ("at", "event")}
    return f"{facts['event']} at {at}" + (f": {in_words(more)}" if any(more.values()) else "")


def frequencies(hz: Mapping[Profile, int]) -> str:
    """What an agent runs at: `19 Hz`, `cpu 97 Hz, wall 97 Hz`; off goes without saying."""
    known = {profile: it for profile, it in hz.items() if it or profile == CPU}
    return shown_all(known or hz)


def _plain(where: Where | Mapping[str, str | list[str]]) -> dict[str, str | tuple[str, ...]]:
    return {key: it if isinstance(it, str) else tuple(it) for key, it in canonical(where).items()}
