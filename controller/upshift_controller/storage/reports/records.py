"""Who is known, what agents report of themselves, and how what is old is forgotten.

Every method is one round trip to each server that it needs, unless its docstring says otherwise.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

import structlog

from upshift_agent.contract import (
    FLEET,
    Keys,
    Status,
    decode_status,
)
from upshift_agent.contract.errors import WireError
from upshift_rules.leases.agents import Living

from ...runtime.slices import each
from ..batch import Batch, guarded
from ..commit_script import KEEP_MS, RETENTION_MS
from ..connect import Servers, now_us
from ..states import mend
from ..unreadable import Unreadable
from .statuses import read_quickly
from .tally import Tally

log = structlog.get_logger()

#: Statuses of agents that have been silent for this long are swept away.
FORGET_AGENTS_MS = 60 * 60 * 1000
#: How often they are looked for.
SWEEP_AGENTS_S = 300.0
_AT_ONCE = 200
#: Of a list of targets, in one look.
_LISTED = 1000


class Records:
    def __init__(self, servers: Servers, keys: Keys, unreadable: Unreadable | None = None) -> None:
        self.servers = servers
        self.keys = keys
        self.unreadable = unreadable or Unreadable()
        self._sweep_agents_at = 0.0
        #: How far the last sweep has come in each list of targets.
        self._swept: dict[str, int] = {}

    async def known_targets(self) -> list[str]:
        """Every target that was changed, or whose agents report. Always the fleet."""
        keys = [self.keys.targets, self.keys.reporting]
        with guarded():
            batch = await self.servers.batch()
            for key in keys:
                batch.on(key).zrange(key, 0, -1)
            rows = await self._values(batch, keys)
        return sorted(
            {FLEET}.union(*(self._targets(*found) for found in zip(keys, rows, strict=True)))
        )

    async def _values(self, batch: Batch, keys: Sequence[str]) -> list[Any]:
        """The answers of `batch`, one for each of `keys`; None where one is of another type."""
        return self.unreadable.values(keys, await batch.execute(raise_on_error=False))

    def _targets(self, key: str, members: Iterable[bytes] | None) -> list[str]:
        return self.unreadable.targets(key, members or ())[0]

    async def statuses(self, targets: Sequence[str]) -> dict[str, list[Status]]:
        stored = await self.stored_statuses(targets)
        found: dict[str, list[Status]] = {}
        for target, rows in stored.items():
            await asyncio.sleep(0)  # webhooks do not wait until thousands are read
            found[target] = self.read_statuses(target, rows)
        return found

    async def live(self) -> dict[str, Living]:
        """As `Reports.live`. A few round trips, and 10 µs an agent."""
        with guarded():
            now_ms = await now_us(self.servers, self.keys) // 1000
            batch, key = await self.servers.batch(), self.keys.reporting
            batch.on(key).zrange(key, 0, -1)
            names = self._targets(key, (await self._values(batch, [key]))[0])
        tally = Tally(now_ms)
        for start in range(0, len(names), _AT_ONCE):
            for target, rows in (
                await self.stored_statuses(names[start : start + _AT_ONCE])
            ).items():
                await each(partial(self._count, tally, target), rows)
        return tally.living()

    def _count(self, tally: Tally, home: str, stored: bytes) -> None:
        if (status := self._status(home, stored)) is not None:
            tally.add(home, status)

    async def stored_statuses(self, targets: Sequence[str]) -> dict[str, list[bytes]]:
        """Return statuses for `read_statuses`: for callers that need not hold all at once."""
        with guarded():
            batch = await self.servers.batch()
            keys = [self.keys.agents(target) for target in targets]
            for key in keys:
                batch.on(key).hvals(key)
            rows = await self._values(batch, keys)
            for key, row in zip(keys, rows, strict=True):
                if row is None:  # or no agent could report there until the next sweep of agents
                    await self._mend(key, None)
        return {target: row or [] for target, row in zip(targets, rows, strict=True)}

    async def _mend(self, key: str, members: Iterable[bytes] | None) -> None:
        """As `Store.mend`."""
        await mend(self.servers, self.unreadable, key, members)

    async def forget(self, target: str) -> None:
        """Show a target no more, until it has a lease or an agent again. Its history stays."""
        with guarded():
            batch = await self.servers.batch()
            for known in (self.keys.targets, self.keys.reporting):
                batch.on(known).zrem(known, target)
            agents = self.keys.agents(target)
            batch.on(agents).delete(agents)
            await batch.execute()

    async def sweep(self) -> None:
        """Forget targets and agents that have been silent for long. A few round trips, and now
        and then one more for some hundred agents. Of a long list of targets a part is looked
        through each time."""
        with guarded():
            now_ms = await now_us(self.servers, self.keys) // 1000
            stale = now_ms - FORGET_AGENTS_MS
            targets, reporting = self.keys.targets, self.keys.reporting
            batch = await self.servers.batch()
            batch.on(targets).zremrangebyscore(targets, "-inf", now_ms - RETENTION_MS)
            batch.on(reporting).zremrangebyscore(reporting, "-inf", stale)
            for key in (targets, reporting):
                start = self._swept.get(key, 0)
                batch.on(key).zrange(key, start, start + _LISTED - 1)
            *_, changed, names = await self._values(batch, [targets, reporting] * 2)
            for key, members in ((targets, changed), (reporting, names)):
                more = members is not None and len(members) == _LISTED
                self._swept[key] = self._swept.get(key, 0) + _LISTED if more else 0
                await self._mend(key, members)
            if time.monotonic() < self._sweep_agents_at:
                return
            batch = await self.servers.batch()
            batch.on(reporting).zrange(reporting, 0, -1)
            live = self._targets(reporting, (await self._values(batch, [reporting]))[0])
            for name in live:
                await self._sweep_agents(name, now_ms)
            await self._sweep_targets(live, now_ms - KEEP_MS)
        self._sweep_agents_at = time.monotonic() + SWEEP_AGENTS_S

    async def _sweep_targets(self, reporting: Collection[str], before_ms: int) -> None:
        """Targets that were changed last before then, with no lease and no agent, are told of no
        more; their states are gone, or mean nothing."""
        batch = await self.servers.batch()
        targets, due = self.keys.targets, self.keys.due
        batch.on(targets).zrange(targets, "-inf", before_ms, byscore=True)
        batch.on(due).zrange(due, 0, -1)
        rows = await self._values(batch, [targets, due])
        old, leased = (self._targets(*found) for found in zip((targets, due), rows, strict=True))
        gone = sorted(set(old).difference(reporting, leased))
        for start in range(0, len(gone), _AT_ONCE):
            batch = await self.servers.batch()
            batch.on(targets).zrem(targets, *gone[start : start + _AT_ONCE])
            await batch.execute()

    async def _sweep_agents(self, target: str, now_ms: int) -> None:
        """By and by: to read all statuses of a large fleet at once would keep webhooks waiting.

        What cannot be read goes too: an agent that lives reports again soon.
        """
        key, cursor = self.keys.agents(target), 0
        while True:
            batch = await self.servers.batch()
            batch.on(key).hscan(key, cursor, count=_AT_ONCE)
            # Agents report here, so what became of it is worth to be kept for longer.
            history = self.keys.history(target)
            batch.on(history).pexpire(history, RETENTION_MS)
            found, _ = await self._values(batch, [key, history])
            if found is None:
                await self._mend(key, None)
                return
            cursor, rows = found
            statuses = [(field, self._status(target, row)) for field, row in rows.items()]
            gone = [
                field
                for field, status in statuses
                if status is None or abs(now_ms - status.at_ms) > FORGET_AGENTS_MS
            ]
            if gone:
                batch = await self.servers.batch()
                batch.on(key).hdel(key, *gone)
                await batch.execute()
            if not cursor:
                return

    def read_statuses(self, target: str, stored: Iterable[bytes]) -> list[Status]:
        """Return the statuses that can be read; each that cannot is logged once."""
        return [status for row in stored if (status := self._status(target, row)) is not None]

    def _status(self, target: str, stored: bytes) -> Status | None:
        if (status := read_quickly(stored)) is not None:
            return status
        try:
            return decode_status(stored)
        except WireError as error:
            self.unreadable.tell("status", target, error)
            return None
