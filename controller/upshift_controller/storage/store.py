"""The Redis side of control: states in and out, and what is due. It decides nothing.

Every method is one round trip to each server that it needs, unless its docstring says otherwise.
Whatever goes wrong with Redis leaves here as `Unavailable`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from redis.exceptions import NoScriptError

from upshift_agent.contract import Keys
from upshift_rules.leases.stored import stored_rev

from ..errors import Unavailable
from ..leasing.ports import NOTHING, Snapshot, Write
from . import commit_script
from .batch import guarded, together
from .connect import Servers
from .memory import monotonic_us
from .states import States, mend
from .unreadable import Unreadable

#: Targets in one pipeline of a larger commit.
PART = 100


class Store(States):
    """The states of all targets, read and committed; implements `leasing.ports.States`.

    history_length: in entries a target. The rest: see `States`.
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
        super().__init__(
            servers, keys, secrets=secrets, unreadable=unreadable, starts_afresh=starts_afresh
        )
        self._history_length = history_length

    def recall(self, targets: Iterable[str]) -> Snapshot | None:
        # The servers of a cluster have a clock each, so a guess could not be checked there.
        return None if self.servers.sharded else self._memory.recall(targets)

    def unknown(self, targets: Iterable[str]) -> list[str]:
        return self._memory.unknown(targets)

    async def commit(self, writes: Sequence[Write], unchanged: Snapshot = NOTHING) -> Snapshot:
        """Commit `writes`; return the stored state of every target whose revision did not match.

        A second trip on a server that does not know the script yet.

        In a cluster three in place of one: `due`, the targets, `due`. See `_commit`. And one more
        for what goes to all of its servers, see `_tell_all`.
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
        unknown = [at for at, result in enumerate(taken) if isinstance(result, NoScriptError)]
        if unknown:
            now_us, again, _ = await self._commit([writes[at] for at in unknown], load=True)
            for at, result in zip(unknown, again, strict=True):
                taken[at] = result
        with guarded():
            found = self._unreadable.values(map(self.keys.state, unchanged.states), found)
        for result in taken:
            if isinstance(result, Exception):
                raise Unavailable(f"Redis refused a commit: {result}") from result
        others, made = {}, []
        for write, result in zip(writes, taken, strict=True):
            if result == 1:
                made.append(write)
                self._memory.keep(write.after)
            else:
                others[write.after.target] = result
        if self.servers.sharded:
            await self._tell_all(made)
        for state, result in zip(unchanged.states.values(), found, strict=True):
            if stored_rev(result) != state.rev or unchanged.now_us > now_us:
                others[state.target] = result
        states = {target: self._readable(target, row) for target, row in others.items()}
        if lost := [target for target, state in states.items() if not state.rev]:
            states |= await self.left_of(lost)
        for state in states.values():
            self._memory.keep(state)
        return Snapshot(now_us, states)

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
        answers = iter(results)
        if due:
            next(answers)
        taken = list(islice(answers, len(writes)))
        found = list(islice(answers, len(unchanged)))
        return self._time(next(answers), asked_us), taken, found

    async def _tell_all(self, made: Sequence[Write]) -> None:
        """Push what goes to all servers of a cluster from each of them.

        The commit has pushed it from one. The links between servers drop what is pushed while they
        are broken, and nobody hears of that: a cap would be found minutes later.
        """
        pushes = [
            push for write in made if (push := commit_script.push(write, self.keys, self.secrets()))
        ]
        if pushes:
            with suppress(Unavailable), guarded():  # it is committed, whoever could not be told
                batch = await self.servers.batch()
                for pipe in batch.everywhere():
                    for push in pushes:
                        pipe.publish(*push)
                await batch.execute(raise_on_error=False)

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
            self.keys.due, (member for member, at in rows or () if at <= now_ms)
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
            if later := {
                name: expiry_ms for name, expiry_ms in due.items() if expiry_ms is not None
            }:
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
