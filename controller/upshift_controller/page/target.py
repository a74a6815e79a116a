"""The view of one target: what it should run at, whether it does, and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
class Target:
    view: TargetView
    live: int
    converged: int
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
        agents=[_row(it) for it in ordered[:MOST]],
        more_agents=len(ordered[MOST:]),
        history=[history_entry(it) for it in history],
    )


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
