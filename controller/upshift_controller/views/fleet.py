"""The whole fleet in figures, for dashboards and alerts: sums, no series for each agent. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nlargest

from upshift_agent.contract import ALL, CPU, FLEET, PROFILES, Plan, Profile

from .standing import Frequencies, Standing

#: Services with figures of their own: those that ask for most.
MAX_SERVICES = 200
_SERVICE = "service/"


@dataclass(frozen=True, slots=True)
class Hz:
    """Sums over live agents: what one of their profiles should run at, and what their drivers have
    confirmed."""

    requested: int = 0
    applied: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What there is at `now_ms`, in Redis milliseconds.

    agents: by state. converged, boosted: of those that live. hz: of each profile. services: of
    those that ask for most of `cpu`, that; by `service.name`. leases: by kind and profile. stopped:
    caps on the fleet at 0 Hz, of every profile.
    """

    now_ms: int
    agents: Mapping[str, int]
    converged: int
    boosted: int
    hz: Mapping[Profile, Hz]
    services: Mapping[str, Hz]
    leases: Mapping[tuple[str, str], int]
    stopped: int


def fleet(plans: Mapping[str, Plan], agents: Mapping[str, Counter[Standing]], now_ms: int) -> Fleet:
    """plans: of every target that is known, without what has expired. agents: of each target."""
    everyone = sum(agents.values(), Counter[Standing]())
    live = Counter({standing: count for standing, count in everyone.items() if not standing.lost})
    states: Counter[str] = Counter()
    for standing, count in everyone.items():
        states[standing.state] += count
    services = {
        name.removeprefix(_SERVICE): _hz(rows, CPU)
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
        hz={profile: _hz(live, profile) for profile in PROFILES},
        services=dict(most),
        leases=Counter((str(lease.kind), lease.profile) for lease in leases),
        stopped=sum(
            (lease.kind, lease.profile, lease.hz) == ("cap", ALL, 0)
            for lease in (plans[FLEET].leases if FLEET in plans else ())
        ),
    )


def _hz(agents: Counter[Standing], profile: Profile) -> Hz:
    live = [(standing, count) for standing, count in agents.items() if not standing.lost]
    return Hz(
        requested=sum(_of(standing.requested, profile) * count for standing, count in live),
        applied=sum(_of(standing.applied, profile) * count for standing, count in live),
    )


def _of(frequencies: Frequencies, profile: Profile) -> int:
    return next((hz for one, hz in frequencies if one == profile), 0)
