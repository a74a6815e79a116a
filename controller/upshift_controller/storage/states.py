"""The states of all targets, read from Redis. Whoever only looks needs no more.

Every method is one round trip to each server that it needs, unless its docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from upshift_agent.contract import Keys, decode_plan
from upshift_agent.contract.errors import SignatureRefused, WireError
from upshift_rules.leases.state import TargetState, state_of
from upshift_rules.leases.stored import decode_state, stored_rev

from ..errors import Refused
from ..leasing.ports import Snapshot
from .batch import guarded
from .connect import Servers
from .memory import Memory, monotonic_us
from .seal import is_sealed, signed_otherwise, unseal
from .unreadable import Unreadable


class States:
    """The states of all targets, as they are stored.

    secrets: returns those in force: the first signs plans and states, any of them is believed.
    starts_afresh: whether a state that cannot be believed counts as an empty one; else `Refused`.
    """

    def __init__(
        self,
        servers: Servers,
        keys: Keys,
        *,
        secrets: Callable[[], Sequence[bytes]] = tuple,
        unreadable: Unreadable | None = None,
        starts_afresh: bool = True,
    ) -> None:
        self.servers = servers
        self.keys = keys
        self.secrets = secrets
        self._memory = Memory()
        self._unreadable = unreadable or Unreadable()
        self._starts_afresh = starts_afresh

    async def read(self, targets: Iterable[str]) -> Snapshot:
        names = list(targets)
        with guarded():
            batch = await self.servers.batch()
            # Of the server that holds `due`, always: the clocks of two servers differ.
            batch.on(self.keys.due).time()
            for target in names:
                batch.on(self.keys.state(target)).get(self.keys.state(target))
            asked_us = monotonic_us()
            time, *rows = await batch.execute(raise_on_error=False)
            rows = self._unreadable.values(map(self.keys.state, names), rows)
        return Snapshot(
            self._time(time, asked_us),
            {target: self._readable(target, row) for target, row in zip(names, rows, strict=True)},
        )

    def _readable(self, target: str, stored: bytes | None) -> TargetState:
        def skip(problem: str) -> None:
            self._unreadable.tell("state", target, problem)

        try:
            if stored and not self._starts_afresh and not self.secrets() and is_sealed(stored):
                raise SignatureRefused(f"the state of {target} is signed, and no secret is set")
            document = unseal(target, stored, self.secrets()) if stored else None
            return decode_state(target, document, skip)
        except WireError as error:
            if not self._starts_afresh and isinstance(error, SignatureRefused):
                raise Refused(f"{error}; use the controllers' secrets", slug="state") from error
            # Somebody else wrote there. Starting afresh, above its revision, beats standing still.
            skip(str(error))
            return TargetState(target=target, rev=stored_rev(stored))

    async def strangers(self, targets: Sequence[str]) -> list[str]:
        with guarded():
            batch = await self.servers.batch()
            for target in targets:
                batch.on(self.keys.state(target)).get(self.keys.state(target))
            for target in targets:
                batch.on(self.keys.reporting).zscore(self.keys.reporting, target)
            rows = await batch.execute()
        known = zip(targets, rows[: len(targets)], rows[len(targets) :], strict=True)
        return [target for target, *signs in known if signs == [None, None]]

    async def left_of(self, targets: Sequence[str]) -> dict[str, TargetState]:
        """What is left of states that are lost, or cannot be read: their plans. One round trip."""
        names = [self.keys.plan(target) for target in targets]
        with guarded():
            batch = await self.servers.batch()
            for name in names:
                batch.on(name).get(name)
            rows = self._unreadable.values(names, await batch.execute(raise_on_error=False))
        states = {}
        for target, row in zip(targets, rows, strict=True):
            # A revision, for the plan is known from now on, also where it is of no use.
            states[target] = TargetState(target=target, plan_rev=1 if row else 0)
            try:
                plan = decode_plan(row, self.secrets()) if row else None
            except WireError as error:
                self._unreadable.tell("plan", target, error)
                continue
            if plan is not None and plan.target == target:
                states[target] = state_of(plan)
        return states

    def _time(self, answer: Any, asked_us: int) -> int:
        """Redis time in µs. What it answers is remembered."""
        if isinstance(answer, Exception):
            with guarded():
                raise answer
        now_us = int(answer[0] * 1_000_000 + answer[1])
        self._memory.observe(now_us, asked_us)
        return now_us

    async def leased_targets(self) -> list[str]:
        """Return the targets that have leases: those with an entry in `due`."""
        return (await self.names(self.keys.due))[0]

    async def names(self, *keys: str) -> list[list[str]]:
        """Return the targets in each of these sorted sets."""
        with guarded():
            batch = await self.servers.batch()
            for key in keys:
                batch.on(key).zrange(key, 0, -1)
            rows = self._unreadable.values(keys, await batch.execute(raise_on_error=False))
        return [
            self._unreadable.targets(key, row or ())[0] for key, row in zip(keys, rows, strict=True)
        ]

    async def signed_otherwise(self) -> list[str]:
        """Return targets whose state another secret than the first has signed. Two round trips."""
        (names,) = await self.names(self.keys.targets)
        with guarded():
            batch = await self.servers.batch()
            for name in names:
                batch.on(self.keys.state(name)).get(self.keys.state(name))
            rows = self._unreadable.values(
                map(self.keys.state, names), await batch.execute(raise_on_error=False)
            )
        return [
            name
            for name, row in zip(names, rows, strict=True)
            if row and signed_otherwise(name, row, self.secrets())
        ]


async def mend(
    servers: Servers, unreadable: Unreadable, key: str, members: Iterable[bytes] | None
) -> None:
    """Take out of a set what is no target, and a key of another type (`members` is None) whole.

    Else it would stand before what is due, for ever. Mostly there is nothing to do.
    """
    others = [] if members is None else unreadable.targets(key, members)[1]
    if members is not None and not others:
        return
    with guarded():
        batch = await servers.batch()
        if members is None:
            batch.on(key).delete(key)
        else:
            batch.on(key).zrem(key, *others)
        await batch.execute()
