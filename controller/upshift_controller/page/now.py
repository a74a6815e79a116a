"""The view Now: what is raised, by whom, for how long, and what is not as it should be. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from upshift_agent.contract import ALL, CPU, FLEET, Baseline
from upshift_rules.cost import Coefficients

from ..views.models import Leases, LeaseView, Targets, TargetSummary

#: Rows of each table; of more it is said how many.
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    """who: of a lease that is somebody's. agents: of its target, live. cores: None: not known."""

    lease: LeaseView
    who: str
    why: str
    agents: int
    converged: int
    cores: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """stopped: the cap that is the kill switch. behind: targets with agents that have not applied
    what they should, most first. reserved: how many agents are boosted, and may be; None: no
    limit."""

    now_ms: int
    stopped: LeaseView | None
    behind: Sequence[TargetSummary]
    warnings: Sequence[str]
    agents: int
    converged: int
    lost: int
    reserved: tuple[int, int] | None
    leases: Sequence[LeaseRow]
    more_leases: int
    targets: Sequence[TargetSummary]
    more_targets: int


def now(
    targets: Targets,
    leases: Leases,
    reserved: tuple[int, int] | None,
    baseline: Baseline,
    costs: Coefficients,
) -> Now:
    named = {it.target: it for it in targets.targets}
    fleet = named.get(FLEET)
    others = [it for it in targets.targets if it.target != FLEET]
    behind = [it for it in others if it.converged < it.agents]
    ordered = sorted(others, key=lambda it: (-it.leases, -it.agents, it.target))
    rows = [lease_row(it, named, baseline, costs) for it in leases.leases]
    return Now(
        now_ms=leases.now_ms,
        stopped=next((it for it in leases.leases if is_kill_switch(it)), None),
        behind=sorted(behind, key=lambda it: it.converged - it.agents)[:MOST],
        warnings=targets.warnings,
        agents=fleet.agents if fleet else 0,
        converged=fleet.converged if fleet else 0,
        lost=fleet.lost if fleet else 0,
        reserved=reserved,
        leases=rows[:MOST],
        more_leases=len(rows[MOST:]),
        targets=ordered[:MOST],
        more_targets=len(ordered[MOST:]),
    )


def is_kill_switch(lease: LeaseView) -> bool:
    wanted = (FLEET, "cap", ALL, 0)
    return (lease.target, lease.kind, lease.profile, lease.hz) == wanted


def lease_row(
    lease: LeaseView,
    targets: Mapping[str, TargetSummary],
    baseline: Baseline,
    costs: Coefficients,
) -> LeaseRow:
    target = targets.get(lease.target)
    agents = target.agents if target else 0
    because = lease.because
    who = because.get("by") or because.get("schedule") or because.get("rule")
    share = round(agents * lease.fraction)
    return LeaseRow(
        lease=lease,
        who=str(who or "nobody who says so"),
        why=lease.reason,
        agents=agents,
        converged=target.converged if target else 0,
        cores=cores(lease.kind, lease.profile, lease.hz, share, baseline, costs),
    )


def cores(
    kind: str, profile: str, hz: int, agents: int, baseline: Baseline, costs: Coefficients
) -> float | None:
    """CPU that a lease adds, in cores, by what `upshift cost` takes an agent to cost."""
    if kind == "cap" or profile != CPU:
        return None
    more_hz = max(0, hz - baseline.default)
    return agents * costs.cpu_percent.per_hz * more_hz / 100
