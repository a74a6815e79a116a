"""How many agents a lease raises, and when it takes a look at them. Pure.

An agent counts as boosted while a boost or a pin would take it above its own baseline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from upshift_agent.contract import ENVIRONMENT, Baseline, Lease, Status, applies, canonical, is_live
from upshift_rules.leases.changes import Aim, Change, Transition
from upshift_rules.model import Claim

Attributes = Mapping[str, str]


def live_agents(statuses: Iterable[Status], now_ms: int) -> list[Attributes]:
    """The attributes of the agents that are there."""
    return [canonical(status.attributes) for status in statuses if is_live(status, now_ms)]


def resting_hz(attributes: Attributes, baseline: Baseline) -> int:
    """Return the baseline of an agent with these (canonical) attributes, in Hz."""
    return baseline.environments.get(attributes.get(ENVIRONMENT, ""), baseline.default)


def reach(lease: Lease, agents: Iterable[Attributes], baseline: Baseline) -> int:
    """Return how many of `agents` a lease raises. At least 1 where it could raise anybody.

    Whoever reports later was not counted; that is why it is never 0.
    """
    rests = baseline.environments
    meant = canonical(lease.where).get(ENVIRONMENT)
    names = (meant,) if isinstance(meant, str) else meant or ("", *rests)
    lowest = min(rests.get(name, baseline.default) for name in names)
    if lease.kind == "cap" or lease.hz <= lowest:
        return 0
    raised = sum(
        lease.hz > resting_hz(agent, baseline) and applies(lease, agent) for agent in agents
    )
    return max(raised, 1)


def asks(wanted: Sequence[Change], step: Transition, reported: frozenset[str]) -> bool:
    """Whether it takes the agents to tell whom a lease is to reach: one for a share of them, or one
    whose scope is softened where none of them reports it.

    reported: what of a scope is known to be reported.
    """
    if any(isinstance(it, Aim) for it in wanted) or any(
        it.event in ("granted", "renewed") and it.lease is not None and it.lease.fraction < 1
        for it in step.entries
    ):
        return True
    return any(it.event == "granted" for it in step.entries) and any(
        isinstance(it, Claim) and not reported.issuperset(it.soft) for it in wanted
    )
