"""Write the statuses of members: each when it has news, and often enough to count as alive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from redis.asyncio.client import Pipeline

from ..contract import STATUS_INTERVAL_S, Keys
from ..runtime.complaints import Complaints
from ..runtime.elapsed import elapsed_s
from ..runtime.log import describe
from . import timing

#: So many statuses go out at once: none of a thousand agents keeps the others' plans waiting.
TOGETHER = 50

#: Sends what a function puts into a pipeline.
Write = Callable[[Callable[[Pipeline], None]], Awaitable[None]]


class Reporter(Protocol):
    """Whose status is written, under `field` of the agents of `home`."""

    @property
    def home(self) -> str: ...
    @property
    def field(self) -> str: ...
    @property
    def version(self) -> str | None:
        """Its member of `versions`, if it has a version."""

    def report(self) -> tuple[str, int]:
        """The status to write now: its JSON, and Redis time in milliseconds."""


class Reports:
    """sharded: what is kept beside the agents of a target is on another server.
    unlisted: called while a session lasts and some version has not been told there."""

    def __init__(self, keys: Keys, *, sharded: bool, unlisted: Callable[[], None]) -> None:
        self._keys = keys
        self._sharded = sharded
        self._tell_unlisted = unlisted
        self.unlisted = False
        self._due_at: dict[Reporter, float] = {}  # of `elapsed_s()`
        self._news = asyncio.Event()
        self._complaints = Complaints()

    def join(self, reporter: Reporter) -> None:
        if self._sharded and reporter.version is not None:
            self.unlisted |= reporter.version not in self._versions()
        self._due_now(reporter)

    def _due_now(self, reporter: Reporter) -> None:
        self._due_at[reporter] = 0.0
        self._news.set()

    def _versions(self) -> set[str | None]:
        return {reporter.version for reporter in self._due_at}

    def kept_elsewhere(self, home: str, at_ms: int) -> list[tuple[str, dict[str, int]]]:
        """What is to be added to which sorted set of another server, now and then."""
        self.unlisted = False
        versions = {version: at_ms for version in self._versions() if version is not None}
        lists = [(self._keys.reporting, {home: at_ms}), (self._keys.versions, versions)]
        return [(key, members) for key, members in lists if members]

    def soon(self, reporter: Reporter) -> None:
        if reporter in self._due_at:
            self._due_now(reporter)

    def leave(self, reporter: Reporter) -> None:
        self._due_at.pop(reporter, None)

    async def keep_writing(self, write: Write) -> None:
        """For as long as a session lasts, which begins with a status of each."""
        self._due_at = dict.fromkeys(self._due_at, 0.0)
        while True:
            self._news.clear()
            now = elapsed_s()
            due = [reporter for reporter, at in self._due_at.items() if at <= now]
            for start in range(0, len(due), TOGETHER):
                some = due[start : start + TOGETHER]
                await write(partial(self._fill, some))
            if self.unlisted:
                self._tell_unlisted()
            next_at = min(self._due_at.values(), default=now + STATUS_INTERVAL_S)
            await timing.wait(self._news, max(0, next_at - elapsed_s()))
            await asyncio.sleep(timing.SETTLE_S)

    def _fill(self, reporters: Sequence[Reporter], pipeline: Pipeline) -> None:
        homes: dict[str, int] = {}
        versions: dict[str, int] = {}
        keys = {home: self._keys.agents(home) for home in {one.home for one in reporters}}
        for reporter in reporters:
            if reporter not in self._due_at:  # it has left meanwhile
                continue
            self._due_at[reporter] = elapsed_s() + STATUS_INTERVAL_S
            try:
                status, homes[reporter.home] = reporter.report()
                if reporter.version is not None:
                    versions[reporter.version] = homes[reporter.home]
            except Exception as error:  # noqa: BLE001  # costs no other its status
                self._complaints.make(f"an agent has no status: {describe(error)}")
                continue
            pipeline.hset(keys[reporter.home], reporter.field, status)
        for home in homes:
            pipeline.expire(keys[home], timing.AGENTS_TTL_S)
        if homes and not self._sharded:
            pipeline.zadd(self._keys.reporting, dict(homes))
        if versions and not self._sharded:
            pipeline.zadd(self._keys.versions, dict(versions))
