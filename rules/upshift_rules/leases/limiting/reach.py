"""Whom a lease raises, and when it takes a look at them. Pure.

An agent counts as boosted while a boost or a pin would take a profile above its own baseline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from upshift_agent.contract import (
    CPU,
    ENVIRONMENT,
    FLEET,
    Baseline,
    Lease,
    Status,
    applies,
    canonical,
    is_live,
    matches,
    node_of,
    node_target,
)

from ...model import Claim
from ..agents import Agent, Attributes, Living, able
from ..changes import Aim, Change, Transition


def live_agents(statuses: Iterable[Status], now_ms: int) -> list[Agent]:
    """The agents that are there."""
    return [
        Agent(
            canonical(status.attributes), tuple(status.requested.profiles), status.profiler or None
        )
        for status in statuses
        if is_live(status, now_ms)
    ]


def is_shared(target: str) -> bool:
    """Whether agents follow it that report under another target: the fleet, or a node."""
    return not target.startswith("service/")


def follows(attributes: Attributes, home: str) -> set[str]:
    """Return what an agent follows that reports under `home`: that, its node, and the fleet."""
    node = node_of(attributes)
    return {home, FLEET} if node is None else {home, node_target(node), FLEET}


def followers(
    targets: Iterable[str], agents: Mapping[str, Sequence[Agent]]
) -> dict[str, list[Agent]]:
    """Return those who follow each of `targets`, of agents by what they report under."""
    found: dict[str, list[Agent]] = {target: [] for target in targets}
    for home, several in agents.items():
        for agent in several:
            for target in found.keys() & follows(agent.attributes, home):
                found[target].append(agent)
    return found


def resting_hz(attributes: Attributes, baseline: Baseline, profile: str) -> int:
    """Return the baseline of an agent with these (canonical) attributes."""
    return baseline.of(attributes.get(ENVIRONMENT, ""), profile)[0]


def may_raise(lease: Lease, baseline: Baseline) -> bool:
    """Whether there could be an agent that a lease raises."""
    meant = canonical(lease.where).get(ENVIRONMENT)
    names = (meant,) if isinstance(meant, str) else meant or ("", *baseline.environments)
    lowest = min(baseline.of(name, lease.profile)[0] for name in names)
    return lease.kind != "cap" and lease.hz > lowest


def raised(lease: Lease, agents: Sequence[Agent], baseline: Baseline) -> list[Agent]:
    """Return those of `agents` whom a lease raises."""
    return [
        it
        for it in able(lease, agents)
        if lease.hz > resting_hz(it.attributes, baseline, lease.profile)
        and applies(lease, it.attributes)
    ]


def meant(lease: Lease, agents: Sequence[Agent]) -> Sequence[Agent]:
    """Return those of `agents` whom the lease's filter is about, whatever they can raise."""
    return [it for it in agents if matches(lease, it.attributes)] if lease.where else agents


def asks(wanted: Sequence[Change], step: Transition, known: Living) -> bool:
    """Whether it takes the agents to tell whom a lease is to reach: one for a share of them, one
    whose scope is softened where none of them reports it, or one for a profile that none of them
    may be able to raise.

    known: who lives there, as far as that is known.
    """
    if is_aimed(wanted, step):
        return True
    granted = [it.lease for it in step.entries if it.event == "granted" and it.lease is not None]
    if not granted:
        return False
    return any(_may_reach_nobody(lease, known) for lease in granted) or any(
        isinstance(it, Claim) and not known.scoped.issuperset(it.soft) for it in wanted
    )


def is_aimed(wanted: Sequence[Change], step: Transition) -> bool:
    """Whether a lease is for a share of the agents, of which it has to reach one at least."""
    return any(isinstance(it, Aim) for it in wanted) or any(
        it.event in ("granted", "renewed") and it.lease is not None and it.lease.fraction < 1
        for it in step.entries
    )


def _may_reach_nobody(lease: Lease, known: Living) -> bool:
    if lease.kind == "cap" or lease.profile in known.profiles:
        return False
    # Nearly every agent can raise cpu; so where none is known, it is not worth a round trip.
    return lease.profile != CPU or known.profilers > 0
