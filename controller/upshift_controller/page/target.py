"""The view of one target: what it should run at, whether it does, and why. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from upshift_agent.contract import PROFILES

from ..storage.history import HistoryLine
from ..views.agent_models import AgentView
from ..views.models import HistoryEntry, TargetView
from ..web.api import history_entry

#: Agents that are shown, those first that are not as they should be.
MOST = 200
ENTRIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRow:
    """profiles: each with what is requested, applied and achieved. why: of its first profile, or
    what is wrong."""

    agent: AgentView
    profiles: Sequence[tuple[str, int, int | None, float | None]]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """How many live agents should run at what, and have applied what, highest first; and what they
    achieve on average, None where no profiler tells."""

    profile: str
    requested: Sequence[tuple[int, int]]
    applied: Sequence[tuple[int, int]]
    achieved_hz: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    view: TargetView
    live: int
    converged: int
    profiles: Sequence[ProfileRow]
    agents: Sequence[AgentRow]
    more_agents: int
    history: Sequence[HistoryEntry]


def target(view: TargetView, history: Sequence[HistoryLine]) -> Target:
    live = [it for it in view.agents if it.state != "lost"]
    ordered = sorted(view.agents, key=lambda it: (it.converged, it.state != "lost", it.instance))
    return Target(
        view=view,
        live=len(live),
        converged=sum(it.converged for it in live),
        profiles=_profiles(live),
        agents=[_row(it) for it in ordered[:MOST]],
        more_agents=len(ordered[MOST:]),
        history=[history_entry(it) for it in history],
    )


def _profiles(live: Sequence[AgentView]) -> list[ProfileRow]:
    """Of the profiles that anything asks for, and cpu."""
    rows = []
    for profile in PROFILES:
        wanted = [it.requested.profiles.get(profile) for it in live]
        requested = Counter(it.hz for it in wanted if it is not None)
        applied = [it.applied.profiles.get(profile) for it in live if it.applied is not None]
        confirmed = [it for it in applied if it is not None]
        achieved = [it.achieved_hz for it in confirmed if it.achieved_hz is not None]
        if any(requested) or any(it.hz for it in confirmed):
            rows.append(
                ProfileRow(
                    profile=profile,
                    requested=sorted(requested.items(), reverse=True),
                    applied=sorted(Counter(it.hz for it in confirmed).items(), reverse=True),
                    achieved_hz=sum(achieved) / len(achieved) if achieved else None,
                )
            )
    return rows


def _row(agent: AgentView) -> AgentRow:
    applied = agent.applied.profiles if agent.applied else {}
    profiles = []
    for name, wanted in agent.requested.profiles.items():
        confirmed = applied.get(name)
        hz = confirmed.hz if confirmed else None
        profiles.append((name, wanted.hz, hz, confirmed.achieved_hz if confirmed else None))
    reasons = [it.reason for it in agent.requested.profiles.values()]
    lost = f"it has not reported for {agent.reported_ms_ago // 1000} s"
    wrong = lost if agent.state == "lost" else agent.error
    return AgentRow(agent=agent, profiles=profiles, why=wrong or next(iter(reasons), ""))
