"""Who lives, as far as leases are concerned, and which of them a lease could raise. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from upshift_agent.contract import CPU, FLEET, Lease

Attributes = Mapping[str, str]


class Agent(NamedTuple):
    """One that lives: its attributes, canonical, and the profiles that its driver can raise.

    profiler: names the one that it drives together with other agents; None: one of its own.
    """

    attributes: Attributes
    profiles: Collection[str] = (CPU,)
    profiler: str | None = None


class Living(NamedTuple):
    """How many profilers the live agents of a target drive, what of a rule's scope any of them
    reports, and the profiles that any of them can raise."""

    profilers: int = 0
    scoped: frozenset[str] = frozenset()
    profiles: frozenset[str] = frozenset()


def profilers(agents: Iterable[Agent]) -> int:
    """Return how many these agents drive: one each, but for those who share one."""
    several = list(agents)
    shared = {it.profiler for it in several if it.profiler is not None}
    return sum(it.profiler is None for it in several) + len(shared)


def able(lease: Lease, agents: Sequence[Agent]) -> Sequence[Agent]:
    """Return those that can raise what a boost or a pin is for."""
    return [it for it in agents if lease.profile in it.profiles]


def reaching_nobody(lease: Lease, agents: Sequence[Agent] | None, target: str) -> str:
    """Return the end of a sentence: that no live agent of the target can raise what a lease is for,
    if so. Where nobody lives, and of a cap, nothing is to be said."""
    if lease.kind == "cap" or not agents or any(lease.profile in it.profiles for it in agents):
        return ""
    whose = "the fleet" if target == FLEET else target
    return f"; no agent of {whose} can raise {lease.profile}"
