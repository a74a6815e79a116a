"""The Redis side of looking: who reports, what happened. Agents and commits write it, nobody here.

Every method is one round trip unless its docstring says otherwise.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline, PubSub

from upshift_agent.errors import WireError
from upshift_agent.wire import FLEET, Keys, Status, decode_status

from .store import RETENTION_MS, guarded

log = structlog.get_logger()

#: Statuses of agents that have been silent for this long are swept away.
FORGET_AGENTS_MS = 60 * 60 * 1000
#: How often they are looked for.
SWEEP_AGENTS_S = 300.0
_AT_ONCE = 200
#: How long `changes` waits before it yields nothing, so that its reader can look up.
_IDLE_S = 5.0


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """An entry as it was stored."""

    target: str
    rev: int
    at_ms: int
    entry: Mapping[str, Any]


class Records:
    def __init__(self, redis: Redis, keys: Keys) -> None:
        self.redis = redis
        self.keys = keys
        self._sweep_agents_at = 0.0

    async def known_targets(self) -> list[str]:
        """Every target that was changed, or whose agents report. Always the fleet."""
        with guarded():
            pipe = self._pipeline()
            pipe.zrange(self.keys.targets, 0, -1)
            pipe.zrange(self.keys.reporting, 0, -1)
            changed, reporting = await pipe.execute()
        return sorted({FLEET, *(name.decode() for name in (*changed, *reporting))})

    async def statuses(self, targets: Sequence[str]) -> dict[str, list[Status]]:
        with guarded():
            pipe = self._pipeline()
            for target in targets:
                pipe.hvals(self.keys.agents(target))
            answers = await pipe.execute()
        found: dict[str, list[Status]] = {}
        for target, rows in zip(targets, answers, strict=True):
            await asyncio.sleep(0)  # webhooks do not wait until thousands are read
            found[target] = [it for row in rows if (it := _status(target, row)) is not None]
        return found

    async def history(self, targets: Sequence[str], limit: int) -> list[HistoryLine]:
        """The newest `limit` entries of these targets, newest first."""
        with guarded():
            pipe = self._pipeline()
            for target in targets:
                pipe.xrevrange(self.keys.history(target), count=limit)
            rows = await pipe.execute()
        lines = [
            _line(target, entry)
            for target, entries in zip(targets, rows, strict=True)
            for entry in entries
        ]
        return sorted(lines, key=lambda line: (line.at_ms, line.rev), reverse=True)[:limit]

    async def recently_changed(self, limit: int) -> list[str]:
        with guarded():
            newest = self.redis.zrevrange(self.keys.targets, 0, limit - 1)
            names: list[bytes] = await newest  # type: ignore[assignment]  # as in store.py
        return [name.decode() for name in names]

    async def entries_of(self, target: str, rev: int) -> list[HistoryLine]:
        """The entries of history that one revision made."""
        with guarded():
            key = self.keys.history(target)
            found = self.redis.xrange(key, f"{rev}-0", f"{rev}-{2**32}")
            rows: list[Any] = await found  # type: ignore[assignment]  # as in store.py
        return [_line(target, row) for row in rows]

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[tuple[str, bytes] | None]]:
        """Subscribe to every target's changes: (target, message) pairs, None while idle."""
        with guarded():
            async with self.redis.pubsub() as pubsub:
                await pubsub.psubscribe(self.keys.every_changes)
                yield self._messages(pubsub)

    async def _messages(self, pubsub: PubSub) -> AsyncIterator[tuple[str, bytes] | None]:
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=_IDLE_S)
            if message is None:
                yield None
            else:
                yield self.keys.target_of(message["channel"].decode()), message["data"]

    async def sweep(self) -> None:
        """Forget targets and agents that have been silent for long. A few round trips, and now
        and then one more for some hundred agents."""
        with guarded():
            seconds, _ = await self.redis.time()
            now_ms = seconds * 1000
            stale = now_ms - FORGET_AGENTS_MS
            pipe = self._pipeline()
            pipe.zremrangebyscore(self.keys.targets, 0, now_ms - RETENTION_MS)
            pipe.zremrangebyscore(self.keys.reporting, 0, stale)
            pipe.zrange(self.keys.reporting, 0, -1)
            *_, reporting = await pipe.execute()
            if time.monotonic() < self._sweep_agents_at:
                return
            for target in reporting:
                await self._sweep_agents(target.decode(), stale)
        self._sweep_agents_at = time.monotonic() + SWEEP_AGENTS_S

    async def _sweep_agents(self, target: str, stale_ms: int) -> None:
        """By and by: to read all statuses of a large fleet at once would keep webhooks waiting."""
        key, cursor = self.keys.agents(target), 0
        while True:
            rows: dict[bytes, bytes]
            cursor, rows = await self.redis.hscan(key, cursor, count=_AT_ONCE)  # type: ignore[assignment]  # as in store.py
            found = [(field, _status(target, row)) for field, row in rows.items()]
            gone = [field for field, it in found if it is not None and it.at_ms < stale_ms]
            if gone:
                await self.redis.hdel(key, *gone)
            if not cursor:
                return

    def _pipeline(self) -> Pipeline:
        return self.redis.pipeline(transaction=False)


def _status(target: str, stored: bytes) -> Status | None:
    try:
        return decode_status(stored)
    except WireError as error:
        log.warning("status ignored", target=target, problem=str(error))
        return None


def _line(target: str, row: tuple[bytes, Mapping[bytes, bytes]]) -> HistoryLine:
    identifier, fields = row
    entry = json.loads(fields[b"entry"])
    return HistoryLine(target, int(identifier.split(b"-")[0]), entry["at_ms"], entry)
