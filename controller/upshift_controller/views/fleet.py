"""The whole fleet in figures, for dashboards and alerts: sums, no series for each agent. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nlargest

from upshift_agent.contract import FLEET, Plan

from .standing import Standing

#: Services with figures of their own: those that ask for most.
MAX_SERVICES = 200
_SERVICE = "service/"


@dataclass(frozen=True, slots=True)
class Hz:
    """Sums over live agents: what they should run at, and what their drivers have confirmed."""

    requested: int = 0
    applied: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What there is at `now_ms`, in Redis milliseconds.

    agents: by state. converged, boosted: of those that live. services: those that ask for most, by
    `service.name`. leases: by kind. stopped: caps on the fleet at 0 Hz.
    """

    now_ms: int
    agents: Mapping[str, int]
    converged: int
    boosted: int
    hz: Hz
    services: Mapping[str, Hz]
    leases: Mapping[str, int]
    stopped: int


def fleet(plans: Mapping[str, Plan], agents: Mapping[str, Counter[Standing]], now_ms: int) -> Fleet:
    """plans: of every target that is known, without what has expired. agents: of each target."""
    everyone = sum(agents.values(), Counter[Standing]())
    live = Counter({standing: count for standing, count in everyone.items() if not standing.lost})
    states: Counter[str] = Counter()
    for standing, count in everyone.items():
        states[standing.state] += count
    services = {
        name.removeprefix(_SERVICE): _hz(rows)
        for name, rows in agents.items()
        if rows and name.startswith(_SERVICE)
    }
    most = nlargest(MAX_SERVICES, services.items(), key=lambda service: service[1].requested)
    leases = [lease for plan in plans.values() for lease in plan.leases]
    return Fleet(
        now_ms=now_ms,
        agents=states,
        converged=sum(count for standing, count in live.items() if standing.converged),
        boosted=sum(count for standing, count in live.items() if standing.boosted),
        hz=_hz(live),
        services=dict(most),
        leases=Counter(str(lease.kind) for lease in leases),
        stopped=sum(lease.kind == "cap" and lease.hz == 0 for lease in plans[FLEET].leases)
        if FLEET in plans
        else 0,
    )


def _hz(agents: Counter[Standing]) -> Hz:
    live = [(standing, count) for standing, count in agents.items() if not standing.lost]
    return Hz(
        requested=sum(standing.hz * count for standing, count in live),
        applied=sum((standing.applied_hz or 0) * count for standing, count in live),
    )
