"""Reads what agents report, and what the history says; writes neither.

Every method is one round trip to each server that it needs, unless its docstring says otherwise.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from pydantic import Field, TypeAdapter
from pydantic_core import SchemaValidator, ValidationError

from upshift_agent.contract import FLEET, MAX_MESSAGE_BYTES, Keys, Status, decode_status
from upshift_agent.contract.errors import WireError
from upshift_agent.contract.reading import VERSION, mapping, parse, string, whole

from .commit_script import KEEP_MS, RETENTION_MS
from .connect import Batch, Servers
from .store import guarded, mend
from .unreadable import Unreadable

log = structlog.get_logger()

#: Statuses of agents that have been silent for this long are swept away.
FORGET_AGENTS_MS = 60 * 60 * 1000
#: How often they are looked for.
SWEEP_AGENTS_S = 300.0
_AT_ONCE = 200
#: Of a list of targets, in one look.
_LISTED = 1000
#: Entries of the history in one batch, some 10 ms of Redis.
_ENTRIES = 5000
#: The list of targets may come this much after their history: longer than any commit takes.
_LATE_MS = 10_000


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One entry of the history, as it was stored."""

    target: str
    rev: int
    at_ms: int
    entry: Mapping[str, Any]


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
        return sorted({FLEET}.union(*(self._targets(*it) for it in zip(keys, rows, strict=True))))

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

    async def history(self, targets: Sequence[str], limit: int) -> list[HistoryLine]:
        """The newest `limit` entries of these targets, newest first.

        A few of each target first, then twice as many of those that may have more of the newest:
        `limit` of each would be too much to wait for. Some round trips.
        """
        lines: list[HistoryLine] = []
        last = dict.fromkeys(targets, "+")
        count = max(8, 2 * limit // max(1, len(targets)))
        while last:
            oldest: dict[str, tuple[str, int]] = {}
            names = list(last)
            for start in range(0, len(names), max(1, _ENTRIES // count)):
                some = names[start : start + max(1, _ENTRIES // count)]
                for target, rows in (await self._entries(some, last, count)).items():
                    read = self.lines(target, rows)
                    lines += read
                    if len(rows) == count:
                        oldest[target] = rows[-1][0].decode(), read[-1].at_ms if read else 2**63
            lines.sort(key=lambda line: (line.at_ms, line.rev), reverse=True)
            del lines[limit:]
            needed_ms = lines[-1].at_ms if len(lines) == limit else 0
            last = {it: f"({at}" for it, (at, at_ms) in oldest.items() if at_ms >= needed_ms}
            count *= 2
        return lines

    async def _entries(
        self, targets: Sequence[str], last: Mapping[str, str], count: int
    ) -> dict[str, list[tuple[bytes, Any]]]:
        with guarded():
            batch = await self.servers.batch()
            keys = [self.keys.history(target) for target in targets]
            for target, key in zip(targets, keys, strict=True):
                batch.on(key).xrevrange(key, max=last[target], count=count)
            rows = await self._values(batch, keys)
        return {target: row or [] for target, row in zip(targets, rows, strict=True)}

    async def recently_changed(self, limit: int) -> list[str]:
        with guarded():
            batch = await self.servers.batch()
            batch.on(self.keys.targets).zrevrange(self.keys.targets, 0, limit - 1)
            (names,) = await self._values(batch, [self.keys.targets])
        return self._targets(self.keys.targets, names)

    async def _mend(self, key: str, members: Iterable[bytes] | None) -> None:
        """As `Store.mend`."""
        await mend(self.servers, self.unreadable, key, members)

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
        and then one more for some hundred agents. Of a long list of targets a part is looked
        through each time."""
        with guarded():
            now_ms = await self._now_us() // 1000
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
        old, leased = (self._targets(*it) for it in zip((targets, due), rows, strict=True))
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
                for field, it in statuses
                if it is None or abs(now_ms - it.at_ms) > FORGET_AGENTS_MS
            ]
            if gone:
                batch = await self.servers.batch()
                batch.on(key).hdel(key, *gone)
                await batch.execute()
            if not cursor:
                return

    def read_statuses(self, target: str, stored: Iterable[bytes]) -> list[Status]:
        """Return the statuses that can be read; each that cannot is logged once."""
        return [it for row in stored if (it := self._status(target, row)) is not None]

    def _status(self, target: str, stored: bytes) -> Status | None:
        if (status := read_quickly(stored)) is not None:
            return status
        try:
            return decode_status(stored)
        except WireError as error:
            self.unreadable.tell("status", target, error)
            return None

    def lines(self, target: str, rows: Iterable[tuple[bytes, Any]]) -> list[HistoryLine]:
        """Return the entries that can be read, without what a newer controller added."""
        found = []
        for identifier, fields in rows:
            try:
                found.append(_line(target, identifier, fields))
            except (LookupError, TypeError, ValueError, RecursionError, WireError) as error:
                self.unreadable.tell("history", target, repr(error))
        return found


class Watch:
    """Polls the history for news, because no subscription hears every target of a cluster."""

    def __init__(self, records: Records, now_us: int) -> None:
        self._records = records
        self._servers, self._keys = records.servers, records.keys
        self._now_us = now_us
        self._start = f"{now_us}-0"
        self._last: dict[str, str] = {}

    async def news(self) -> list[HistoryLine]:
        """Return what the history holds that was not returned before. Two round trips."""
        with guarded():
            batch = await self._servers.batch()
            since_ms = self._now_us // 1000 - _LATE_MS
            changed = self._keys.targets
            batch.on(changed).zrange(changed, since_ms, "+inf", byscore=True)
            batch.on(self._keys.due).time()
            names, (seconds, micros) = await self._records._values(batch, [changed, "TIME"])
            targets = self._records._targets(changed, names)
            batch = await self._servers.batch()
            keys = [self._keys.history(target) for target in targets]
            for target, key in zip(targets, keys, strict=True):
                batch.on(key).xrange(key, min=f"({self._last.get(target, self._start)}")
            rows = await self._records._values(batch, keys)
            found = {target: row or [] for target, row in zip(targets, rows, strict=True)}
        self._now_us = seconds * 1_000_000 + micros
        # Kept for good: a target that was quiet for a while must not be told anew from the start.
        self._last |= {target: rows[-1][0].decode() for target, rows in found.items() if rows}
        lines = [line for it in found.items() for line in self._records.lines(*it)]
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
    """Return what `decode_status` would, in a third of its time; None: call `decode_status`.

    That one has words for what is wrong, and takes some spellings that are not taken here.
    """
    if len(stored) > MAX_MESSAGE_BYTES:
        return None
    try:
        status: Status = _QUICK.validate_json(stored, strict=True)
    except ValidationError:
        return None
    return status


#: What an entry has besides `at_ms`, of which types.
_TEXTS, _OBJECTS = ("event", "reason", "by", "limit"), ("lease", "baseline")


def _line(target: str, identifier: bytes, fields: Mapping[bytes, bytes]) -> HistoryLine:
    document = mapping(parse(fields[b"entry"]), "entry")
    entry: dict[str, Any] = {"at_ms": whole(document, "at_ms", "entry")}
    for name in _TEXTS:
        if name in ("event", "reason") or document.get(name) is not None:
            entry[name] = string(document, name, "entry")
    for name in _OBJECTS:
        if document.get(name) is not None:
            entry[name] = mapping(document[name], f"entry.{name}")
    return HistoryLine(target, int(identifier.split(b"-")[0]), entry["at_ms"], entry)
