"""What the API shows of targets and agents: states and statuses → answers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice, product

from upshift_agent.contract import (
    ALL,
    CPU,
    ENVIRONMENT,
    FLEET,
    PROFILES,
    Baseline,
    Lease,
    Plan,
    Profile,
    Status,
    canonical,
)
from upshift_agent.contract.resolve import resolve
from upshift_rules.leases.state import TargetState, plan_of
from upshift_rules.matching import SCOPED
from upshift_rules.text import nearest

from .agent_models import AgentView, AppliedView, ConfirmedView, RequestedView, WantedView
from .models import LeaseView, StartingView, TargetSummary, TargetView
from .standing import Decisions, Frequencies, Standing, judged

#: Where an agent may run: attributes and their values.
Place = tuple[tuple[str, str], ...]
#: That leases name; what is beyond them is not told.
MAX_PLACES = 500


def lease_view(target: str, lease: Lease, now_ms: int, stop_if: str | None = None) -> LeaseView:
    return LeaseView(
        id=lease.id,
        target=target,
        kind=lease.kind,
        profile=lease.profile,
        hz=lease.hz,
        since_ms=lease.since_ms,
        expires_at_ms=lease.expires_at_ms,
        remaining_ms=max(0, lease.expires_at_ms - now_ms),
        where={k: v if isinstance(v, str) else list(v) for k, v in lease.where.items()},
        fraction=lease.fraction,
        fraction_from=lease.fraction_from,
        because=dict(lease.cause.said),
        reason=lease.reason,
        stop_if=stop_if,
    )


def lease_views(states: Mapping[str, TargetState], now_ms: int) -> list[LeaseView]:
    """The live leases of these targets, the next to end first."""
    leases = [
        lease_view(target, lease, now_ms, state.stops.get(lease.id))
        for target, state in states.items()
        for lease in _plan(state, now_ms).leases
    ]
    return sorted(leases, key=lambda lease: lease.expires_at_ms)


def live_plans(states: Mapping[str, TargetState], now_ms: int) -> dict[str, Plan]:
    """The plans of these targets, without what has expired."""
    return {name: _plan(state, now_ms) for name, state in states.items()}


def agent_view(
    target: str, status: Status, plans: Mapping[str, Plan], baseline: Baseline, now_ms: int
) -> AgentView:
    """One agent: what it should do by the plans of now, and what it says that it does."""
    known, decisions, agent = judged(target, status, plans, baseline, now_ms)
    applied = status.applied
    return AgentView(
        instance=status.instance,
        target=target,
        state=agent.state,
        attributes=dict(status.attributes),
        driver=status.driver,
        profiler=status.profiler,
        sdk=status.sdk,
        reported_ms_ago=abs(now_ms - status.at_ms),
        requested=_requested(decisions, known),
        known_revs=dict(status.requested.revs),
        applied=None
        if applied is None
        else AppliedView(
            revs=dict(applied.revs),
            at_ms=applied.at_ms,
            profiles={
                profile: ConfirmedView(hz=it.hz, achieved_hz=it.achieved_hz)
                for profile, it in applied.profiles.items()
            },
        ),
        converged=agent.converged,
        error=status.error,
        skipped=list(status.skipped),
        max_hz=status.max_hz,
    )


def target_view(
    target: str,
    states: Mapping[str, TargetState],
    agents: Sequence[AgentView],
    baseline: Baseline,
    now_ms: int,
    known: Collection[str],
) -> TargetView:
    """One target with the leases that reach it: its own and the fleet's.

    known: the targets that it may have been meant to be; none are needed where it has agents.
    """
    plans = live_plans({name: states[name] for name in (target, FLEET)}, now_ms)
    return TargetView(
        target=target,
        known=bool(agents or states[target].rev or target in known),
        near=_near(target, known),
        now_ms=now_ms,
        rev=states[target].rev,
        baseline=baseline.to_json(),
        leases=lease_views({name: states[name] for name in (target, FLEET)}, now_ms),
        starting=_starting(plans.values(), baseline, now_ms),
        agents=list(agents),
        converged=all(agent.converged for agent in agents if agent.state != "lost"),
    )


def _near(target: str, known: Iterable[str]) -> str | None:
    """The known one that is called most like it, preferably of its kind."""
    kind, _, name = target.partition("/")
    others = sorted(set(known) - {target, FLEET}, key=lambda name: name.startswith(f"{kind}/"))
    by_name = {other.partition("/")[2]: other for other in others}
    return by_name.get(nearest(name, by_name) or "")


def _starting(plans: Iterable[Plan], baseline: Baseline, now_ms: int) -> list[StartingView]:
    whole = [
        replace(plan, leases=tuple(lease for lease in plan.leases if lease.fraction >= 1))
        for plan in plans
    ]
    rows = {one: _starting_at(one, whole, baseline, now_ms) for one in PROFILES}
    return [
        row
        for profile, found in rows.items()
        if profile == CPU or any(it.hz or it.lease for it in found)
        for row in found
    ]


def _starting_at(
    profile: Profile, plans: Sequence[Plan], baseline: Baseline, now_ms: int
) -> list[StartingView]:
    """By environment, namespaces and cluster; those that differ from the first, any other."""
    leases = (it for plan in plans for it in plan.leases if it.profile in (profile, ALL))
    environments = baseline.environments if profile == CPU else ()
    named: set[Place] = {((ENVIRONMENT, name),) for name in environments}
    named |= set(islice(chain.from_iterable(map(_places, leases)), MAX_PLACES))
    found: list[StartingView] = []
    wider: dict[str | None, tuple[int, str | None]] = {}
    for place in ((), *sorted(named - {()})):  # an environment before its namespaces
        further = dict(place)
        environment = further.pop(ENVIRONMENT, None)
        decision = resolve(plans, dict(place), baseline, None, now_ms, profile)
        starting = StartingView(
            profile=profile,
            environment=environment,
            where=further,
            hz=decision.hz,
            lease=decision.lease and decision.lease.id,
            reason=decision.reason,
            until_ms=decision.until_ms,
        )
        answer = starting.hz, starting.lease
        if answer != wider.get(environment if further else None, wider.get(None)):
            found.append(starting)
        if not further:
            wider[environment] = answer
    return found


def _places(lease: Lease) -> Iterable[Place]:
    """What of a lease's filter says where an agent runs, in each combination."""
    where = canonical(lease.where)
    wanted = [
        [(name, it) for it in ([where[name]] if isinstance(where[name], str) else where[name])]
        for name in SCOPED
        if name in where
    ]
    return product(*wanted)


def target_summary(
    target: str, state: TargetState, plan: Plan, agents: Counter[Standing]
) -> TargetSummary:
    """One target in brief. For the fleet, `agents` are those of all targets."""
    live = Counter({agent: count for agent, count in agents.items() if not agent.lost})
    return TargetSummary(
        target=target,
        rev=state.rev,
        requested_hz=_requested_hz(agent.requested for agent in live),
        leases=len(plan.leases),
        until_ms=max((lease.expires_at_ms for lease in plan.leases), default=None),
        agents=live.total(),
        converged=sum(count for agent, count in live.items() if agent.converged),
        lost=agents.total() - live.total(),
    )


def _plan(state: TargetState, now_ms: int) -> Plan:
    """The plan without what has expired: until it is reverted it still stands there."""
    plan = plan_of(state, now_ms)
    live = tuple(lease for lease in plan.leases if lease.expires_at_ms > now_ms)
    return Plan(
        target=plan.target, rev=plan.rev, now_ms=now_ms, leases=live, baseline=plan.baseline
    )


def _requested_hz(agents: Iterable[Frequencies]) -> dict[Profile, list[int]]:
    found = set(chain.from_iterable(agents))
    by_profile = {
        profile: sorted(hz for one, hz in found if one == profile) for profile in PROFILES
    }
    return {profile: hz for profile, hz in by_profile.items() if hz}


def _requested(decisions: Decisions, plans: Iterable[Plan]) -> RequestedView:
    return RequestedView(
        revs={plan.target: plan.rev for plan in plans if plan.rev},
        profiles={
            profile: WantedView(
                hz=decision.hz,
                lease=decision.lease.id if decision.lease else None,
                reason=decision.reason,
                until_ms=decision.until_ms,
                clamped_from=decision.clamped_from,
            )
            for profile, decision in decisions.items()
        },
    )
