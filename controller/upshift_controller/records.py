"""The Redis side of looking: who reports, what happened. Agents and commits write it, nobody here.

Every method is one round trip to each server that it needs, unless its docstring says otherwise.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from pydantic import Field, TypeAdapter
from pydantic_core import SchemaValidator, ValidationError

from upshift_agent.errors import WireError
from upshift_agent.wire import FLEET, MAX_MESSAGE_BYTES, Keys, Status, decode_status
from upshift_agent.wire.reading import VERSION

from .commit_script import RETENTION_MS
from .connect import Servers
from .store import guarded

log = structlog.get_logger()

#: Statuses of agents that have been silent for this long are swept away.
FORGET_AGENTS_MS = 60 * 60 * 1000
#: How often they are looked for.
SWEEP_AGENTS_S = 300.0
_AT_ONCE = 200
#: The list of targets may come this much after their history: longer than any commit takes.
_LATE_MS = 10_000


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """An entry as it was stored."""

    target: str
    rev: int
    at_ms: int
    entry: Mapping[str, Any]


class Records:
    def __init__(self, servers: Servers, keys: Keys) -> None:
        self.servers = servers
        self.keys = keys
        self._sweep_agents_at = 0.0

    async def known_targets(self) -> list[str]:
        """Every target that was changed, or whose agents report. Always the fleet."""
        with guarded():
            batch = await self.servers.batch()
            batch.on(self.keys.targets).zrange(self.keys.targets, 0, -1)
            batch.on(self.keys.reporting).zrange(self.keys.reporting, 0, -1)
            changed, reporting = await batch.execute()
        return sorted({FLEET, *(name.decode() for name in (*changed, *reporting))})

    async def statuses(self, targets: Sequence[str]) -> dict[str, list[Status]]:
        stored = await self.stored_statuses(targets)
        found: dict[str, list[Status]] = {}
        for target, rows in stored.items():
            await asyncio.sleep(0)  # webhooks do not wait until thousands are read
            found[target] = read_statuses(target, rows)
        return found

    async def stored_statuses(self, targets: Sequence[str]) -> dict[str, list[bytes]]:
        """For `read_statuses`, by those who need not hold all of them at once."""
        with guarded():
            batch = await self.servers.batch()
            for target in targets:
                batch.on(self.keys.agents(target)).hvals(self.keys.agents(target))
            return dict(zip(targets, await batch.execute(), strict=True))

    async def history(self, targets: Sequence[str], limit: int) -> list[HistoryLine]:
        """The newest `limit` entries of these targets, newest first."""
        with guarded():
            batch = await self.servers.batch()
            for target in targets:
                key = self.keys.history(target)
                batch.on(key).xrevrange(key, count=limit)
            rows = await batch.execute()
        lines = [
            _line(target, entry)
            for target, entries in zip(targets, rows, strict=True)
            for entry in entries
        ]
        return sorted(lines, key=lambda line: (line.at_ms, line.rev), reverse=True)[:limit]

    async def recently_changed(self, limit: int) -> list[str]:
        with guarded():
            batch = await self.servers.batch()
            batch.on(self.keys.targets).zrevrange(self.keys.targets, 0, limit - 1)
            (names,) = await batch.execute()
        return [name.decode() for name in names]

    async def watch(self) -> Watch:
        """Changes from now on."""
        with guarded():
            return Watch(self, await self._now_us())

    async def _now_us(self) -> int:
        batch = await self.servers.batch()
        batch.on(self.keys.due).time()
        ((seconds, micros),) = await batch.execute()
        return int(seconds * 1_000_000 + micros)

    async def sweep(self) -> None:
        """Forget targets and agents that have been silent for long. A few round trips, and now
        and then one more for some hundred agents."""
        with guarded():
            now_ms = await self._now_us() // 1000
            stale = now_ms - FORGET_AGENTS_MS
            targets, reporting = self.keys.targets, self.keys.reporting
            batch = await self.servers.batch()
            batch.on(targets).zremrangebyscore(targets, 0, now_ms - RETENTION_MS)
            batch.on(reporting).zremrangebyscore(reporting, 0, stale)
            batch.on(reporting).zrange(reporting, 0, -1)
            *_, names = await batch.execute()
            if time.monotonic() < self._sweep_agents_at:
                return
            for name in names:
                await self._sweep_agents(name.decode(), now_ms)
        self._sweep_agents_at = time.monotonic() + SWEEP_AGENTS_S

    async def _sweep_agents(self, target: str, now_ms: int) -> None:
        """By and by: to read all statuses of a large fleet at once would keep webhooks waiting."""
        key, cursor = self.keys.agents(target), 0
        while True:
            batch = await self.servers.batch()
            batch.on(key).hscan(key, cursor, count=_AT_ONCE)
            ((cursor, rows),) = await batch.execute()
            found = [(field, _status(target, row)) for field, row in rows.items()]
            gone = [
                field
                for field, it in found
                if it is not None and abs(now_ms - it.at_ms) > FORGET_AGENTS_MS
            ]
            if gone:
                batch = await self.servers.batch()
                batch.on(key).hdel(key, *gone)
                await batch.execute()
            if not cursor:
                return


class Watch:
    """Asks for news, because no subscription hears every target of a cluster."""

    def __init__(self, records: Records, now_us: int) -> None:
        self._records = records
        self._servers, self._keys = records.servers, records.keys
        self._now_us = now_us
        self._start = f"{now_us}-0"
        self._last: dict[str, str] = {}

    async def news(self) -> list[HistoryLine]:
        """What the history holds that was not returned before. Two round trips."""
        with guarded():
            batch = await self._servers.batch()
            since_ms = self._now_us // 1000 - _LATE_MS
            changed = self._keys.targets
            batch.on(changed).zrange(changed, since_ms, "+inf", byscore=True)
            batch.on(self._keys.due).time()
            names, (seconds, micros) = await batch.execute()
            targets = [name.decode() for name in names]
            batch = await self._servers.batch()
            for target in targets:
                key, last = self._keys.history(target), self._last.get(target, self._start)
                batch.on(key).xrange(key, min=f"({last}")
            found = dict(zip(targets, await batch.execute(), strict=True))
        self._now_us = seconds * 1_000_000 + micros
        # Kept for good: a target that was quiet for a while must not be told anew from the start.
        self._last |= {target: rows[-1][0].decode() for target, rows in found.items() if rows}
        lines = [_line(target, row) for target, rows in found.items() for row in rows]
        return sorted(lines, key=lambda line: (line.at_ms, line.rev))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message(Status):
    v: Annotated[int, Field(ge=VERSION, le=VERSION)]


def _in_range(schema: Any) -> Any:
    """The schema with every number held to what the contract allows."""
    if isinstance(schema, list):
        return [_in_range(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") in ("int", "float"):
        return {"ge": 0, "lt": 2**63} | schema
    return {key: _in_range(value) for key, value in schema.items()}


_QUICK = SchemaValidator(_in_range(TypeAdapter(_Message).core_schema))


def read_quickly(stored: bytes) -> Status | None:
    """A third of the time of `decode_status`, and nothing that it would not say. None: ask that,
    which has words for what is wrong and takes some spellings that are not taken here."""
    if len(stored) > MAX_MESSAGE_BYTES:
        return None
    try:
        status: Status = _QUICK.validate_json(stored, strict=True)
    except ValidationError:
        return None
    return status


def read_statuses(target: str, stored: Iterable[bytes]) -> list[Status]:
    """Those that can be read; the others are logged."""
    return [it for row in stored if (it := _status(target, row)) is not None]


def _status(target: str, stored: bytes) -> Status | None:
    if (status := read_quickly(stored)) is not None:
        return status
    try:
        return decode_status(stored)
    except WireError as error:
        log.warning("status ignored", target=target, problem=str(error))
        return None


def _line(target: str, row: tuple[bytes, Mapping[bytes, bytes]]) -> HistoryLine:
    identifier, fields = row
    entry = json.loads(fields[b"entry"])
    return HistoryLine(target, int(identifier.split(b"-")[0]), entry["at_ms"], entry)
