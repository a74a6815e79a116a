"""When things end: one APScheduler job at the next due expiry, and a slow sweep behind it.

The job is what makes reverts punctual. The sweep makes them certain: it sees leases that another
controller granted and died over, and it counts on the monotonic clock, which no NTP step moves.
Agents need neither: each returns by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from .errors import Unavailable

log = structlog.get_logger()

SWEEP_S = 5.0
_JOB = "revert"


class Schedule:
    """`revert` ends what has expired; it returns Redis ms now and the next due ms."""

    def __init__(
        self,
        revert: Callable[[], Awaitable[tuple[int, int | None]]],
        tidy: Callable[[], Awaitable[None]],
    ) -> None:
        self._revert = revert
        self._tidy = tidy
        self._due_ms: int | None = None
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)

    def expect(self, due_ms: int, now_ms: int) -> None:
        """Something expires at `due_ms` (Redis ms; it is `now_ms` there): be up by then."""
        if self._due_ms is not None and self._due_ms <= due_ms:
            return
        self._due_ms = due_ms
        self._scheduler.add_job(
            self._run,
            DateTrigger(datetime.now(UTC) + timedelta(milliseconds=due_ms - now_ms)),
            id=_JOB,
            replace_existing=True,
            misfire_grace_time=None,  # late is better than never; the default drops it after 1 s
            coalesce=True,
        )

    async def sweep(self) -> None:
        """End whatever is overdue, then tidy. Redis being away is only logged."""
        await self._run()
        try:
            await self._tidy()
        except Unavailable as error:
            log.warning("sweep postponed", problem=error.detail)

    async def sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.sweep()

    async def _run(self) -> None:
        self._due_ms = None
        try:
            now_ms, next_ms = await self._revert()
        except Unavailable as error:
            log.warning("revert postponed; agents return by themselves", problem=error.detail)
            return
        if next_ms is not None:
            self.expect(next_ms, now_ms)
