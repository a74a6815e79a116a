"""The Redis side of control: states in and out, and what is due. It decides nothing.

Every method is one round trip to each server that it needs, unless its docstring says otherwise.
Whatever goes wrong with Redis leaves here as `Unavailable`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from redis.exceptions import NoScriptError, RedisError

from upshift_agent.contract import Keys, decode_plan
from upshift_agent.contract.errors import SignatureRefused, WireError
from upshift_rules.leases.state import TargetState, decode_state, state_of, stored_rev

from ..errors import Refused, Unavailable
from ..leasing.ports import NOTHING, Snapshot, Write
from . import commit_script
from .connect import Servers, together
from .memory import Memory, monotonic_us
from .seal import is_sealed, signed_otherwise, unseal
from .unreadable import Unreadable

log = structlog.get_logger()

#: Targets in one pipeline of a larger commit.
PART = 100


class Store:
    """The states of all targets, in Redis; implements `leasing.ports.States`.

    secrets: returns those in force: the first signs plans and states, any of them is believed.
    history_length: in entries a target.
    starts_afresh: whether a state that cannot be believed counts as an empty one; else `Refused`.
    """

    def __init__(
        self,
        servers: Servers,
        keys: Keys,
        *,
        secrets: Callable[[], Sequence[bytes]] = tuple,
        history_length: int = 1000,
        unreadable: Unreadable | None = None,
        starts_afresh: bool = True,
    ) -> None:
        self.servers = servers
        self.keys = keys
        self.secrets = secrets
        self._history_length = history_length
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

    def recall(self, targets: Iterable[str]) -> Snapshot | None:
        # The servers of a cluster have a clock each, so a guess could not be checked there.
        return None if self.servers.sharded else self._memory.recall(targets)

    def unknown(self, targets: Iterable[str]) -> list[str]:
        return self._memory.unknown(targets)

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

    async def commit(self, writes: Sequence[Write], unchanged: Snapshot = NOTHING) -> Snapshot:
        """Commit `writes`; return the stored state of every target whose revision did not match.

        A second trip on a server that does not know the script yet.

        In a cluster three in place of one: `due`, the targets, `due`. See `_commit`.
        """
        if not writes and not unchanged.states:
            return NOTHING
        # The server works on one part while the next one is made.
        parts = [writes[at : at + PART] for at in range(PART, len(writes), PART)]
        answers = await together(
            self._commit(writes[:PART], unchanged.states), *(self._commit(part) for part in parts)
        )
        now_us, _, found = answers[0]
        taken = [result for _, results, _ in answers for result in results]
        unknown = [at for at, it in enumerate(taken) if isinstance(it, NoScriptError)]
        if unknown:
            now_us, again, _ = await self._commit([writes[at] for at in unknown], load=True)
            for at, result in zip(unknown, again, strict=True):
                taken[at] = result
        with guarded():
            found = self._unreadable.values(map(self.keys.state, unchanged.states), found)
        for result in taken:
            if isinstance(result, Exception):
                raise Unavailable(f"Redis refused a commit: {result}") from result
        others = {}
        for write, result in zip(writes, taken, strict=True):
            if result == 1:
                self._memory.keep(write.after)
            else:
                others[write.after.target] = result
        for state, result in zip(unchanged.states.values(), found, strict=True):
            if stored_rev(result) != state.rev or unchanged.now_us > now_us:
                others[state.target] = result
        states = {target: self._readable(target, row) for target, row in others.items()}
        if lost := [target for target, state in states.items() if not state.rev]:
            states |= await self._left_of(lost)
        for state in states.values():
            self._memory.keep(state)
        return Snapshot(now_us, states)

    async def _left_of(self, targets: Sequence[str]) -> dict[str, TargetState]:
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

    async def _commit(
        self, writes: Sequence[Write], unchanged: Collection[str] = (), *, load: bool = False
    ) -> tuple[int, list[Any], list[Any]]:
        """Redis time in µs, what became of `writes`, and what there is of `unchanged`."""
        apart = self.servers.sharded  # no script reaches both a target's server and that of `due`
        due = {
            write.after.target: write.after.next_expiry_ms
            for write in writes
            if apart and write.after.next_expiry_ms is not None
        }
        with guarded():
            batch = await self.servers.batch()
            # Before the commit: a spurious wake-up is harmless, a missed one is not. And after
            # it, because `settle` may have raised the entry in between.
            if due:
                batch.on(self.keys.due).zadd(self.keys.due, due, lt=True)
                batch.then()
            for write in writes:
                commit_script.add(
                    batch, write, self.keys, self.secrets(), self._history_length, load=load
                )
            for target in unchanged:
                batch.on(self.keys.state(target)).get(self.keys.state(target))
            batch.await_replicas()
            batch.then(regardless=True)
            batch.on(self.keys.due).time()
            if due:
                batch.on(self.keys.due).zadd(self.keys.due, due, lt=True)
            if apart:
                batch.on(self.keys.targets).zadd(
                    self.keys.targets, {write.after.target: write.now_ms for write in writes}
                )
            asked_us = monotonic_us()
            results = await batch.execute(raise_on_error=False)
        results = results[1 if due else 0 :]
        taken, found = results[: len(writes)], results[len(writes) :][: len(unchanged)]
        return self._time(results[len(writes) + len(unchanged)], asked_us), taken, found

    def _time(self, answer: Any, asked_us: int) -> int:
        """Redis time in µs. What it answers is remembered."""
        if isinstance(answer, Exception):
            with guarded():
                raise answer
        now_us = int(answer[0] * 1_000_000 + answer[1])
        self._memory.observe(now_us, asked_us)
        return now_us

    async def due(self, limit: int) -> tuple[int, list[str], int | None]:
        """Return Redis time, at most `limit` targets that are due, and the next expiry; in ms.

        Two round trips: what is due depends on Redis time.
        """
        with guarded():
            batch = await self.servers.batch()
            batch.on(self.keys.due).time()
            batch.on(self.keys.due).zrange(self.keys.due, 0, limit - 1, withscores=True)
            asked_us = monotonic_us()
            time, rows = await batch.execute(raise_on_error=False)
            (rows,) = self._unreadable.values([self.keys.due], [rows])
        now_ms = self._time(time, asked_us) // 1000
        members = rows if rows is None else [member for member, _ in rows]
        await mend(self.servers, self._unreadable, self.keys.due, members)
        due, _ = self._unreadable.targets(
            self.keys.due, (it for it, at in rows or () if at <= now_ms)
        )
        # An infinite score is no time; those behind it are looked for by the sweep.
        later = [int(at) for _, at in rows or () if now_ms < at < math.inf]
        return now_ms, due, later[0] if later else None

    async def settle(self, targets: Sequence[str]) -> None:
        """Move targets that were due to their next expiry. Three round trips, no lock.

        The entry is raised first and the state read after that, so a commit that came between
        is seen here, or lowers the entry again by itself (`_commit` writes it on both sides).
        """
        before = await self.read(targets)
        with guarded():
            batch = await self.servers.batch()
            due = {name: state.next_expiry_ms for name, state in before.states.items()}
            # Two commands, not one for each target: they may be thousands.
            if ended := [name for name, expiry_ms in due.items() if expiry_ms is None]:
                batch.on(self.keys.due).zrem(self.keys.due, *ended)
            if later := {name: it for name, it in due.items() if it is not None}:
                batch.on(self.keys.due).zadd(self.keys.due, later)
            await batch.execute()
        after = await self.read(targets)
        moved = {
            target: state.next_expiry_ms
            for target, state in after.states.items()
            if state.next_expiry_ms is not None and state.rev != before.states[target].rev
        }
        if moved:
            with guarded():
                batch = await self.servers.batch()
                batch.on(self.keys.due).zadd(self.keys.due, moved, lt=True)
                await batch.execute()

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

    async def probe(self) -> None:
        """Do all that a commit does, on keys that nobody reads."""
        with guarded():
            for load in (False, True):
                batch = await self.servers.batch()
                commit_script.probe(batch, self.keys, load=load)
                (result,) = await batch.execute(raise_on_error=False)
                if not isinstance(result, NoScriptError):
                    break
            if isinstance(result, Exception):
                raise result
        if result != 1:
            raise Unavailable("Redis did not make a commit that nothing stood against")


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


@contextmanager
def guarded() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        # Servers before Redis 6 repeat a login that they do not understand.
        said = str(error).partition(", with args beginning with")[0]
        raise Unavailable(f"Redis is not answering: {said or type(error).__name__}") from error
