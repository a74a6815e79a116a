"""The view Now: what is raised, by whom, for how long, and what is not as it should be. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from upshift_agent.contract import ALL, CPU, FLEET, Baseline
from upshift_rules.cost import Coefficients

from ..views.fleet import Fleet
from ..views.models import LeaseView, Targets, TargetSummary

#: Rows of each table; of more it is said how many.
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    """who: of a lease that is somebody's. agents: of its target, live. cores: None: not known.
    alert: where its alert can be seen, if anywhere."""

    lease: LeaseView
    who: str
    why: str
    alert: str | None
    agents: int
    converged: int
    cores: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """stopped: the cap that is the kill switch. behind: targets with agents that have not applied
    what they should, most first. boosted: how many agents are above their baseline. reserved: how
    many count as that, and may; None: no limit."""

    now_ms: int
    stopped: LeaseView | None
    behind: Sequence[TargetSummary]
    warnings: Sequence[str]
    agents: int
    converged: int
    lost: int
    boosted: int
    reserved: tuple[int, int] | None
    leases: Sequence[LeaseRow]
    more_leases: int
    targets: Sequence[TargetSummary]
    more_targets: int


def now(
    targets: Targets,
    figures: Fleet,
    leases: Sequence[LeaseView],
    reserved: tuple[int, int] | None,
    baseline: Baseline,
    costs: Coefficients,
    alertmanager: str | None = None,
) -> Now:
    """alertmanager: where its own pages are."""
    named = {it.target: it for it in targets.targets}
    others = [it for it in targets.targets if it.target != FLEET]
    behind = [it for it in others if it.converged < it.agents]
    ordered = sorted(others, key=lambda it: (-it.leases, -it.agents, it.target))
    lost = figures.agents.get("lost", 0)
    return Now(
        now_ms=targets.now_ms,
        stopped=next((it for it in leases if is_kill_switch(it)), None),
        behind=sorted(behind, key=lambda it: it.converged - it.agents)[:MOST],
        warnings=targets.warnings,
        agents=sum(figures.agents.values()) - lost,
        converged=figures.converged,
        lost=lost,
        boosted=figures.boosted,
        reserved=reserved,
        leases=[lease_row(it, named, baseline, costs, alertmanager) for it in leases[:MOST]],
        more_leases=len(leases[MOST:]),
        targets=ordered[:MOST],
        more_targets=len(ordered[MOST:]),
    )


def is_kill_switch(lease: LeaseView) -> bool:
    wanted = (FLEET, "cap", ALL, 0)
    whole = not lease.where and lease.fraction >= 1
    return whole and (lease.target, lease.kind, lease.profile, lease.hz) == wanted


def lease_row(
    lease: LeaseView,
    targets: Mapping[str, TargetSummary],
    baseline: Baseline,
    costs: Coefficients,
    alertmanager: str | None,
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
        alert=alert_url(alertmanager, because.get("alertname")) if alertmanager else None,
        agents=agents,
        converged=target.converged if target else 0,
        cores=cores(lease.kind, lease.profile, lease.hz, share, baseline, costs),
    )


def alert_url(alertmanager: str, alertname: object) -> str | None:
    """Where Alertmanager shows the alerts of this name."""
    if not isinstance(alertname, str) or not alertname:
        return None
    quoted = alertname.replace("\\", "\\\\").replace('"', '\\"')
    matcher = quote('{alertname="' + quoted + '"}', safe="")
    return f"{alertmanager.rstrip('/')}/#/alerts?filter={matcher}"


def cores(
    kind: str, profile: str, hz: int, agents: int, baseline: Baseline, costs: Coefficients
) -> float | None:
    """CPU that a lease adds, in cores, by what `upshift cost` takes an agent to cost."""
    if kind == "cap" or profile != CPU:
        return None
    more_hz = max(0, hz - baseline.default)
    return agents * costs.cpu_percent.per_hz * more_hz / 100
