"""Writes again, from what is left, a key of a target that Redis has lost.

A key may be evicted, expire, or be deleted by hand. Agents that run hold their leases all the same;
those that start later would run at the baseline in spite of a kill switch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog
from redis.exceptions import ResponseError

from upshift_agent.contract import FLEET, Keys, Plan, decode_plan
from upshift_agent.contract.errors import WireError
from upshift_rules.leases.state import TargetState, state_of
from upshift_rules.leases.transition import republished

from ..leasing.ports import Write
from .batch import guarded
from .store import Store
from .unreadable import Unreadable

log = structlog.get_logger()

#: Targets looked at with each sweep, of those with leases and of all that are known: two commands
#: each. 10,000 targets take some 4 minutes.
SLICE = 200


class Keeping:
    def __init__(self, store: Store, unreadable: Unreadable) -> None:
        self._store = store
        self._servers = store.servers
        self._keys: Keys = store.keys
        self._unreadable = unreadable
        self._places = dict.fromkeys((self._keys.due, self._keys.targets), 0)

    async def look_after(self) -> None:
        """Look at the fleet and at the next few targets. Five round trips, one more for a loss."""
        names = dict.fromkeys([FLEET, *await self._next()])
        snapshot = await self._store.read(names)
        states, now_us = snapshot.states, snapshot.now_us
        plans = await self._plans(list(names))
        writes = [
            Write(_known(states[target], plans.get(target)), after, (), now_us)
            for target in names
            if (after := mended(states[target], plans.get(target), now_us)) is not None
        ]
        if writes:
            await self._store.commit(writes)
            log.warning(
                "Redis had lost keys, they are written again",
                targets=[write.after.target for write in writes][:10],
                count=len(writes),
            )
        due = {
            name: state.next_expiry_ms
            for name, state in states.items()
            if state.next_expiry_ms is not None
        }
        if due:
            with guarded():
                batch = await self._servers.batch()
                batch.on(self._keys.due).zadd(self._keys.due, due, nx=True)
                await batch.execute()

    async def _next(self) -> list[str]:
        found: list[str] = []
        for key, place in self._places.items():
            with guarded():
                batch = await self._servers.batch()
                batch.on(key).zrange(key, place, place + SLICE - 1)
                (rows,) = self._unreadable.values([key], await batch.execute(raise_on_error=False))
            self._places[key] = place + SLICE if rows else 0
            found += self._unreadable.targets(key, rows or ())[0]
        return found

    async def _plans(self, targets: Sequence[str]) -> dict[str, Plan]:
        """Those that can be read, and believed."""
        names = [self._keys.plan(target) for target in targets]
        with guarded():
            batch = await self._servers.batch()
            for name in names:
                batch.on(name).get(name)
            rows = self._unreadable.values(names, await batch.execute(raise_on_error=False))
        plans = {}
        for target, row in zip(targets, rows, strict=True):
            try:
                plan = decode_plan(row, self._store.secrets()) if row else None
            except WireError as error:
                self._unreadable.tell("plan", target, error)
                continue
            if plan is not None and plan.target == target:
                plans[target] = plan
        return plans

    async def warn_of_eviction(self) -> None:
        """Say so if Redis may throw keys away. A user that may not ask is told nothing."""
        with guarded():
            batch = await self._servers.batch()
            batch.on(self._keys.due).info("memory")
            (memory,) = await batch.execute(raise_on_error=False)
            if isinstance(memory, Exception) and not isinstance(memory, ResponseError):
                raise memory
        policy = memory.get("maxmemory_policy") if isinstance(memory, dict) else None
        if policy not in (None, "noeviction"):
            log.warning(
                "Redis may evict what Upshift keeps there: kill switches and leases would be lost "
                "for agents that start later; set maxmemory-policy to noeviction",
                policy=policy,
            )


def _known(state: TargetState, plan: Plan | None) -> TargetState:
    return state if state.rev or plan is None else state_of(plan)


def mended(state: TargetState, plan: Plan | None, now_us: int) -> TargetState | None:
    """Return the state to commit where a state or its plan is lost; None where nothing is.

    A plan that is newer than its state belongs to a commit made since, and is left alone.
    """
    if state.rev == 0 and plan is not None:
        leases = tuple(lease for lease in plan.leases if lease.expires_at_ms * 1000 > now_us)
        if not leases:
            return None
        return republished(replace(state_of(plan), leases=leases), now_us)
    if not state.leases and state.baseline is None:
        return None
    if plan is not None and plan.rev >= state.plan_rev:
        return None
    return republished(state, now_us)
