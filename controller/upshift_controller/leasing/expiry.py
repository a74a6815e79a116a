"""When things end: one APScheduler job at the next due expiry, and a slow sweep behind it.

The job is what makes reverts punctual. APScheduler looks at the wall clock, so an alarm on the
monotonic clock, which no NTP step moves, tells it when the job is due in truth. The sweep makes
reverts certain: it sees leases that another controller granted and died over.
Agents need neither: each returns by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from ..errors import Unavailable

log = structlog.get_logger()

SWEEP_S = 5.0
#: Beyond this the sweep has looked many times; a date may be out of any calendar's range.
_FAR_S = 86_400.0
_JOB = "revert"


class Schedule:
    """Calls `revert` when the next lease expires, and it and `tidy` in each sweep.

    revert: ends what has expired; returns Redis time and the next expiry, both in ms.
    """

    def __init__(
        self,
        revert: Callable[[], Awaitable[tuple[int, int | None]]],
        tidy: Callable[[], Awaitable[None]],
    ) -> None:
        self._revert = revert
        self._tidy = tidy
        self._due_ms: int | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._scheduler.shutdown(wait=False)

    def expect(self, due_ms: int, now_ms: int) -> None:
        """Call `revert` at `due_ms` at the latest. Redis ms; it is `now_ms` there."""
        if self._due_ms is not None and self._due_ms <= due_ms:
            return
        self._due_ms = due_ms
        delay = timedelta(seconds=min((due_ms - now_ms) / 1000, _FAR_S))
        if self._alarm is not None:
            self._alarm.cancel()
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(delay.total_seconds(), self._ring)
        self._scheduler.add_job(
            self._run,
            DateTrigger(datetime.now(UTC) + delay),
            id=_JOB,
            replace_existing=True,
            misfire_grace_time=None,  # late is better than never; the default drops it after 1 s
            coalesce=True,
        )

    def _ring(self) -> None:
        """The job is due. If it is still there, the wall clock has been set back since."""
        if self._scheduler.get_job(_JOB) is not None:
            self._scheduler.modify_job(_JOB, next_run_time=datetime.now(UTC))

    async def sweep(self) -> None:
        """End whatever is overdue, then tidy. What goes wrong is only logged."""
        await self._run()
        try:
            await self._tidy()
        except Unavailable as error:
            log.warning("sweep postponed", problem=error.detail)
        except Exception:  # a defect of ours, or of what was read, must not stop all later sweeps
            log.exception("sweep failed")

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
        except Exception:  # as above
            log.exception("revert failed")
            return
        if next_ms is not None:
            self.expect(next_ms, now_ms)
