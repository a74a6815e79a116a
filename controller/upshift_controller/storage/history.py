"""The history of targets: one codec for its entries, and the reading of it.

An entry is written by the commit that it tells of (`commit_script`), and read by whoever asks.
A reader takes what it knows of an entry: fields that a newer controller adds are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from upshift_agent.contract import Keys
from upshift_agent.contract.errors import WireError
from upshift_agent.contract.reading import mapping, parse, string, whole
from upshift_rules.leases.changes import Entry
from upshift_rules.quick_json import dump

from .batch import Batch, guarded
from .connect import Servers, now_us
from .unreadable import Unreadable

#: Entries in one batch, some 10 ms of Redis.
_ENTRIES = 5000
#: The list of targets may come this much after their history: longer than any commit takes.
_LATE_MS = 10_000
#: A revision is the moment of its decision, as guessed, and its commit is good for 2 s. So what is
#: committed from now on may be older than now; but not by so much.
_BEHIND_MS = 5000

#: An entry's id, which begins with the revision, and its fields.
Row = tuple[bytes, Mapping[bytes, bytes]]
#: What every entry has besides `at_ms`, and what only some have.
_TEXTS, _MORE_TEXTS, _OBJECTS = ("event", "reason"), ("by", "limit"), ("lease", "baseline")


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One entry of the history, as it was stored."""

    target: str
    rev: int
    at_ms: int
    entry: Mapping[str, Any]


def encode_entry(entry: Entry, now_ms: int) -> str:
    """An entry as it is stored; `now_ms` is the Redis time of its commit."""
    document: dict[str, Any] = {"at_ms": now_ms, "event": entry.event, "reason": entry.reason}
    for name in _OBJECTS:
        if (value := getattr(entry, name)) is not None:
            document[name] = value.to_json()
    for name in _MORE_TEXTS:
        if (text := getattr(entry, name)) is not None:
            document[name] = text
    return dump(document)


def decode_entry(stored: bytes) -> dict[str, Any]:
    """What is known of a stored entry. Raise `WireError` where it is none."""
    document = mapping(parse(stored), "entry")
    entry: dict[str, Any] = {"at_ms": whole(document, "at_ms", "entry")}
    entry |= {name: string(document, name, "entry") for name in _TEXTS}
    given = {name for name, value in document.items() if value is not None}
    entry |= {name: string(document, name, "entry") for name in _MORE_TEXTS if name in given}
    entry |= {name: mapping(document[name], f"entry.{name}") for name in _OBJECTS if name in given}
    return entry


class Histories:
    """Reads the history. Every method is one round trip to each server that it needs, unless its
    docstring says otherwise."""

    def __init__(self, servers: Servers, keys: Keys, unreadable: Unreadable) -> None:
        self._servers = servers
        self._keys = keys
        self._unreadable = unreadable

    async def newest(self, targets: Sequence[str], limit: int) -> list[HistoryLine]:
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
            last = {
                target: f"({at}" for target, (at, at_ms) in oldest.items() if at_ms >= needed_ms
            }
            count *= 2
        return lines

    async def _entries(
        self, targets: Sequence[str], last: Mapping[str, str], count: int
    ) -> dict[str, list[Row]]:
        with guarded():
            batch = await self._servers.batch()
            keys = [self._keys.history(target) for target in targets]
            for target, key in zip(targets, keys, strict=True):
                batch.on(key).xrevrange(key, max=last[target], count=count)
            rows = await self._values(batch, keys)
        return {target: row or [] for target, row in zip(targets, rows, strict=True)}

    async def recently_changed(self, limit: int) -> list[str]:
        with guarded():
            batch = await self._servers.batch()
            batch.on(self._keys.targets).zrevrange(self._keys.targets, 0, limit - 1)
            (names,) = await self._values(batch, [self._keys.targets])
        return self._targets(names)

    async def watch(self) -> Watch:
        """Changes from now on."""
        with guarded():
            watch = Watch(self, await now_us(self._servers, self._keys))
        await watch.read()
        return watch

    async def since(
        self, changed_ms: int, last: Mapping[str, str], start: str
    ) -> tuple[int, dict[str, list[Row]]]:
        """Return Redis time in µs, and what targets changed since `changed_ms` have behind their
        `last` entry, or behind `start`. Two round trips."""
        with guarded():
            batch = await self._servers.batch()
            changed = self._keys.targets
            batch.on(changed).zrange(changed, changed_ms, "+inf", byscore=True)
            batch.on(self._keys.due).time()
            names, (seconds, micros) = await self._values(batch, [changed, "TIME"])
            targets = self._targets(names)
            batch = await self._servers.batch()
            keys = [self._keys.history(target) for target in targets]
            for target, key in zip(targets, keys, strict=True):
                batch.on(key).xrange(key, min=f"({last.get(target, start)}")
            rows = await self._values(batch, keys)
        found = {target: row for target, row in zip(targets, rows, strict=True) if row}
        return seconds * 1_000_000 + micros, found

    def lines(self, target: str, rows: Iterable[Row]) -> list[HistoryLine]:
        """Return the entries that can be read; each that cannot is logged once."""
        found = []
        for identifier, fields in rows:
            try:
                rev, entry = int(identifier.split(b"-")[0]), decode_entry(fields[b"entry"])
            except (LookupError, TypeError, ValueError, RecursionError, WireError) as error:
                self._unreadable.tell("history", target, repr(error))
            else:
                found.append(HistoryLine(target, rev, entry["at_ms"], entry))
        return found

    async def _values(self, batch: Batch, keys: Sequence[str]) -> list[Any]:
        """The answers of `batch`, one for each of `keys`; None where one is of another type."""
        return self._unreadable.values(keys, await batch.execute(raise_on_error=False))

    def _targets(self, members: Iterable[bytes] | None) -> list[str]:
        return self._unreadable.targets(self._keys.targets, members or ())[0]


class Watch:
    """Polls the history for news, because no subscription hears every target of a cluster."""

    def __init__(self, histories: Histories, now_us: int) -> None:
        self._histories = histories
        self._now_us = now_us
        self._start = f"{now_us - _BEHIND_MS * 1000}-0"
        self._last: dict[str, str] = {}

    async def news(self) -> list[HistoryLine]:
        """Return what the history holds that was not returned before. Two round trips."""
        lines = [
            line for news in (await self.read()).items() for line in self._histories.lines(*news)
        ]
        return sorted(lines, key=lambda line: (line.at_ms, line.rev))

    async def read(self) -> dict[str, list[Row]]:
        """Return the same by target, as it is stored."""
        since_ms = self._now_us // 1000 - _LATE_MS
        self._now_us, found = await self._histories.since(since_ms, self._last, self._start)
        # Kept for good: a target that was quiet for a while must not be told anew from the start.
        self._last |= {target: rows[-1][0].decode() for target, rows in found.items()}
        return found
