"""Answers about targets and agents: the reads that `view` needs, in two or three round trips."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from upshift_agent.contract import FLEET, Baseline, Plan, Status
from upshift_rules.leases.state import TargetState

from ..storage.reports.records import Records
from ..storage.states import States
from . import view
from .fleet import Fleet, fleet
from .models import Agents, AgentView, Leases, Targets, TargetView
from .standing import Standing, followed, standing


class Overview:
    """Answers about targets and agents.

    baseline: the one in force, for agents that have not heard of it.
    """

    def __init__(self, states: States, records: Records, baseline: Callable[[], Baseline]) -> None:
        self._states = states
        self._records = records
        self._baseline = baseline

    async def targets(self) -> Targets:
        """Every known target, in brief."""
        now_ms, states, plans, agents = await self._standing()
        agents[FLEET] = sum(agents.values(), Counter())
        return Targets(
            now_ms=now_ms,
            targets=[
                view.target_summary(name, states[name], plan, agents[name])
                for name, plan in plans.items()
            ],
        )

    async def fleet(self) -> Fleet:
        """Everything in figures."""
        now_ms, _, plans, agents = await self._standing()
        return fleet(plans, agents, now_ms)

    async def _standing(
        self,
    ) -> tuple[int, Mapping[str, TargetState], Mapping[str, Plan], dict[str, Counter[Standing]]]:
        """Each known target's state, plan and agents, now."""
        names = await self._records.known_targets()
        stored = await self._records.stored_statuses(names)
        snapshot = await self._states.read(names)
        now_ms, states = snapshot.now_ms, snapshot.states
        plans, baseline = view.live_plans(states, now_ms), self._baseline()
        agents: dict[str, Counter[Standing]] = {}
        for name in names:
            await asyncio.sleep(0)  # webhooks are let in
            agents[name] = Counter(
                standing(name, status, plans, baseline, now_ms)
                for status in self._records.read_statuses(name, stored.pop(name))
            )
        return now_ms, states, {name: plans[name] for name in names}, agents

    async def target(self, name: str) -> TargetView:
        """One target, whole. For the fleet, the agents of all targets."""
        names = await self._records.known_targets() if name == FLEET else [name]
        now_ms, states, statuses = await self._read([*names, FLEET])
        agents = await self._agents(states, statuses, now_ms)
        known = [] if agents else await self._records.known_targets()
        # In a thread: to compare thousands of names takes a while.
        return await asyncio.to_thread(
            view.target_view, name, states, agents, self._baseline(), now_ms, known
        )

    async def leases(self) -> Leases:
        """Every live lease."""
        snapshot = await self._states.read(await self._states.leased_targets())
        leases = view.lease_views(snapshot.states, snapshot.now_ms)
        return Leases(now_ms=snapshot.now_ms, leases=leases)

    async def agents(self) -> Agents:
        """Every agent that reports."""
        now_ms, states, statuses = await self._read(await self._records.known_targets())
        return Agents(now_ms=now_ms, agents=await self._agents(states, statuses, now_ms))

    async def _agents(
        self,
        states: Mapping[str, TargetState],
        statuses: Mapping[str, Sequence[Status]],
        now_ms: int,
    ) -> list[AgentView]:
        """Every agent, by target and instance."""
        plans, baseline = view.live_plans(states, now_ms), self._baseline()
        agents = []
        for target, rows in sorted(statuses.items()):
            await asyncio.sleep(0)  # webhooks are let in
            agents += [
                view.agent_view(target, status, plans, baseline, now_ms)
                for status in sorted(rows, key=lambda agent: agent.instance)
            ]
        return agents

    async def _read(
        self, names: Sequence[str]
    ) -> tuple[int, Mapping[str, TargetState], dict[str, list[Status]]]:
        statuses = await self._records.statuses(list(dict.fromkeys(names)))
        targets = set(names).union(
            *(followed(status, name) for name, rows in statuses.items() for status in rows)
        )
        snapshot = await self._states.read(targets)
        return snapshot.now_ms, snapshot.states, statuses
