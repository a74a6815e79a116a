"""Answers about targets and agents: the reads that `view` needs, in two or three round trips."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from upshift_agent.contract import FLEET, Baseline, Plan, Status
from upshift_rules.leases.limiting.reach import follows, is_shared
from upshift_rules.leases.state import TargetState

from ..storage.reports.records import Records
from ..storage.states import States
from . import view
from .agent_models import AgentView
from .fleet import Fleet, fleet
from .models import Agents, Leases, LeaseView, Targets, TargetView
from .standing import Standing, followed, standing

#: Time, states of targets, and statuses by what they report under.
_Read = tuple[int, Mapping[str, TargetState], Mapping[str, Sequence[Status]]]


class _Look(NamedTuple):
    """Each known target's state, plan and agents, as of `now_ms`.

    agents: by what they report under. guests: those on a node that report under something else.
    """

    now_ms: int
    states: Mapping[str, TargetState]
    plans: Mapping[str, Plan]
    agents: Mapping[str, Counter[Standing]]
    guests: Mapping[str, Counter[Standing]]

    def followers(self) -> dict[str, Counter[Standing]]:
        """By what they follow."""
        nodes = {name: self.agents[name] + guests for name, guests in self.guests.items()}
        everybody = {FLEET: sum(self.agents.values(), Counter[Standing]())}
        return {**self.agents, **nodes, **everybody}


def _targets(look: _Look, warnings: list[str]) -> Targets:
    agents = look.followers()
    return Targets(
        now_ms=look.now_ms,
        targets=[
            view.target_summary(name, look.states[name], plan, agents[name])
            for name, plan in look.plans.items()
        ],
        warnings=warnings,
    )


class Overview:
    """Answers about targets and agents.

    baseline: the one in force, for agents that have not heard of it.
    """

    def __init__(self, states: States, records: Records, baseline: Callable[[], Baseline]) -> None:
        self._states = states
        self._records = records
        self._baseline = baseline

    async def targets(self, warnings: list[str]) -> Targets:
        """Every known target, in brief. warnings: what to tell beside them."""
        return _targets(await self._look(), warnings)

    async def at_a_glance(self, warnings: list[str]) -> tuple[Targets, Fleet, list[LeaseView]]:
        """Every known target in brief, everything in figures, and every live lease: of one look."""
        look = await self._look()
        figures = fleet(look.plans, look.agents, look.now_ms)
        return _targets(look, warnings), figures, view.lease_views(look.states, look.now_ms)

    async def fleet(self) -> Fleet:
        """Everything in figures."""
        look = await self._look()
        return fleet(look.plans, look.agents, look.now_ms)

    async def _look(self) -> _Look:
        names = await self._records.known_targets()
        stored = await self._records.stored_statuses(names)
        snapshot = await self._states.read(names)
        now_ms, states = snapshot.now_ms, snapshot.states
        plans, baseline = view.live_plans(states, now_ms), self._baseline()
        agents: dict[str, Counter[Standing]] = {}
        guests: defaultdict[str, Counter[Standing]] = defaultdict(Counter)
        nodes = {name for name in names if name.startswith("node/")}
        for name in names:
            await asyncio.sleep(0)  # webhooks are let in
            statuses = self._records.read_statuses(name, stored.pop(name))
            found = [standing(name, status, plans, baseline, now_ms) for status in statuses]
            agents[name] = Counter(found)
            if nodes:
                for status, agent in zip(statuses, found, strict=True):
                    for node in follows(status.attributes, name) & nodes - {name}:
                        guests[node][agent] += 1
        return _Look(now_ms, states, {name: plans[name] for name in names}, agents, guests)

    async def target(self, name: str) -> TargetView:
        """One target, whole. For the fleet, the agents of all targets, for a node those on it."""
        now_ms, states, statuses = await self._followers(name)
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
        now_ms, states, statuses = await self._everybody(await self._records.known_targets())
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

    async def _followers(self, name: str) -> _Read:
        """Those who follow a target, and the states of all that they follow."""
        if is_shared(name):
            names = {name, *await self._records.known_targets()}
            now_ms, states, everybody = await self._everybody(names)
            found = {
                home: [it for it in rows if name in follows(it.attributes, home)]
                for home, rows in everybody.items()
            }
            return now_ms, states, found
        statuses = await self._records.statuses([name])
        names = {name, FLEET}.union(*(followed(it, name) for it in statuses[name]))
        snapshot = await self._states.read(names)
        return snapshot.now_ms, snapshot.states, statuses

    async def _everybody(self, names: Collection[str]) -> _Read:
        """Those who report under one of `names`, which are all that are known."""
        statuses = await self._records.statuses(list(names))
        snapshot = await self._states.read(names)
        return snapshot.now_ms, snapshot.states, statuses
