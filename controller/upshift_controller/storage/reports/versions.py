"""Which versions report, and what controllers remember of them; implements `watching.Versions`.

Agents write one member of a sorted set for each version that there is, not for each of them, and so
one look reads some hundred rows of a fleet of 10,000 agents.
"""

from __future__ import annotations

import hashlib
import time
from functools import lru_cache

from upshift_agent.contract import STATUS_INTERVAL_S, STATUS_LOST_MS, Keys, read_version
from upshift_agent.contract.errors import WireError

from ...sources.rollouts.deciding import MEMORY_MS
from ...sources.rollouts.knowledge import Knowledge, Scope, decode, encode, named
from ...sources.rollouts.watching import Reported, Stored
from ..batch import guarded
from ..budgets import REPLACE
from ..connect import Servers, now_us
from ..states import mend
from ..unreadable import Unreadable

#: Who has not reported for two intervals does not live. In a cluster, where a version is told every
#: 5 minutes and a fifth, with a read of plans in between.
SILENCE_MS = round(2 * STATUS_INTERVAL_S * 1000)
SHARDED_SILENCE_MS = 7 * 60 * 1000
#: Versions in one look; of more, none is decided upon.
MAX_VERSIONS = 5000
#: How often old ones are looked for.
FORGET_S = 300.0


class Versions:
    def __init__(self, servers: Servers, keys: Keys, unreadable: Unreadable | None = None) -> None:
        self._servers = servers
        self._keys = keys
        self._unreadable = unreadable or Unreadable()
        self.silence_ms = SHARDED_SILENCE_MS if servers.sharded else SILENCE_MS
        self._forget_at = 0.0
        self._read = lru_cache(maxsize=MAX_VERSIONS)(_named)

    async def reported(self, *, all_known: bool) -> Reported:
        """Two round trips, as what is recent depends on Redis time."""
        with guarded():
            now_ms = await now_us(self._servers, self._keys) // 1000
            since_ms = now_ms - (MEMORY_MS if all_known else 2 * self.silence_ms)
            batch, key = await self._servers.batch(), self._keys.versions
            batch.on(key).zrange(
                key,
                now_ms + STATUS_LOST_MS,
                since_ms,
                desc=True,
                byscore=True,
                offset=0,
                num=MAX_VERSIONS,
                withscores=True,
            )
            answers = await batch.execute(raise_on_error=False)
            (rows,) = self._unreadable.values([key], answers)
        if rows is None:  # of another type: no agent could report there
            await mend(self._servers, self._unreadable, key, None)
        found: dict[Scope, dict[str, int]] = {}
        for member, at_ms in rows or ():
            try:
                scope, version = self._read(member)
            except WireError as error:
                self._unreadable.tell("version", key, error)
                continue
            reports = found.setdefault(scope, {})
            reports[version] = max(int(at_ms), reports.get(version, 0))
        return Reported(now_ms, found, too_many=len(rows or ()) == MAX_VERSIONS)

    async def known(self) -> Stored:
        key = self._keys.rollouts
        with guarded():
            batch = await self._servers.batch()
            batch.on(key).get(key)
            answers = await batch.execute(raise_on_error=False)
            (stored,) = self._unreadable.values([key], answers)
        if stored is None:
            return Stored(None, "")
        try:
            return Stored(decode(stored), _version_of(stored))
        except (TypeError, ValueError) as error:
            # Somebody else wrote there. All is learnt anew, which costs a rollout at most.
            self._unreadable.tell("rollouts", key, repr(error))
            return Stored(None, _version_of(stored))

    async def replace(self, before: Stored, known: Knowledge) -> Stored | None:
        key, document = self._keys.rollouts, encode(known)
        with guarded():
            batch = await self._servers.batch()
            batch.on(key).eval(REPLACE, 1, key, before.version, document, str(MEMORY_MS))
            batch.await_replicas()
            (taken,) = await batch.execute()
        return Stored(known, _version_of(document.encode())) if taken else None

    async def forget_old(self) -> None:
        """Take versions out that nobody has reported for a day, or that are of no time."""
        if time.monotonic() < self._forget_at:
            return
        key = self._keys.versions
        with guarded():
            now_ms = await now_us(self._servers, self._keys) // 1000
            batch = await self._servers.batch()
            batch.on(key).zremrangebyscore(key, "-inf", now_ms - MEMORY_MS)
            batch.on(key).zremrangebyscore(key, now_ms + MEMORY_MS, "+inf")
            answers = await batch.execute(raise_on_error=False)
            if None in self._unreadable.values([key, key], answers):
                await mend(self._servers, self._unreadable, key, None)
        self._forget_at = time.monotonic() + FORGET_S


def _named(member: bytes) -> tuple[Scope, str]:
    return named(read_version(member))


def _version_of(stored: bytes) -> str:
    return hashlib.sha1(stored, usedforsecurity=False).hexdigest()
