"""Answers about targets and agents: the reads that `view` needs, in two or three round trips."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import chain

from upshift_agent.wire import FLEET, Baseline, Plan, Status
from upshift_rules.state import TargetState

from . import view
from .models import Agents, AgentView, Leases, Targets, TargetView
from .records import Records
from .store import Store
from .view import Standing


class Overview:
    """`baseline` is the one in force, for agents that have not heard of it."""

    def __init__(self, store: Store, records: Records, baseline: Callable[[], Baseline]) -> None:
        self._store = store
        self._records = records
        self._baseline = baseline

    async def targets(self) -> Targets:
        """Every known target, in brief."""
        names = await self._records.known_targets()
        now_ms, states, statuses = await self._read(names)
        plans = view.live_plans(states, now_ms)
        agents: dict[str, list[Standing]] = {name: [] for name in names}
        async for agent in self._standings(plans, statuses, now_ms):
            agents[agent.target].append(agent)
        agents[FLEET] = list(chain.from_iterable(agents.values()))
        return Targets(
            now_ms=now_ms,
            targets=[
                view.target_summary(name, states[name], plans[name], agents[name]) for name in names
            ],
        )

    async def target(self, name: str) -> TargetView:
        """One target, whole. For the fleet, the agents of all targets."""
        names = await self._records.known_targets() if name == FLEET else [name]
        now_ms, states, statuses = await self._read([*names, FLEET])
        agents = await self._agents(states, statuses, now_ms)
        return view.target_view(name, states, agents, self._baseline(), now_ms)

    async def leases(self) -> Leases:
        """Every live lease."""
        snapshot = await self._store.read(await self._store.leased_targets())
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
        plans = view.live_plans(states, now_ms)
        return [
            view.agent_view(agent, now_ms)
            async for agent in self._standings(plans, statuses, now_ms)
        ]

    async def _standings(
        self,
        plans: Mapping[str, Plan],
        statuses: Mapping[str, Sequence[Status]],
        now_ms: int,
    ) -> AsyncIterator[Standing]:
        """Every agent, by target and instance. Webhooks are let in between two targets."""
        baseline = self._baseline()
        for target, rows in sorted(statuses.items()):
            await asyncio.sleep(0)
            for status in sorted(rows, key=lambda it: it.instance):
                yield view.standing(target, status, plans, baseline, now_ms)

    async def _read(
        self, names: Sequence[str]
    ) -> tuple[int, Mapping[str, TargetState], dict[str, list[Status]]]:
        statuses = await self._records.statuses(list(dict.fromkeys(names)))
        targets = set(names).union(
            *(view.followed(status, name) for name, rows in statuses.items() for status in rows)
        )
        snapshot = await self._store.read(targets)
        return snapshot.now_ms, snapshot.states, statuses
