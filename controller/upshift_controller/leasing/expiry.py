"""When things end: a timer at the next due expiry, and a slow sweep behind it.

The timer is what makes reverts punctual. Like all that is timed here it goes by the loop's clock,
which is monotonic: a wall clock that is set back by an hour would put reverts off by an hour.
The sweep makes reverts certain: it sees leases that another controller granted and died over.
Agents need neither: each returns by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from ..errors import Unavailable

log = structlog.get_logger()

SWEEP_S = 5.0


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
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """Expect nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def expect(self, due_ms: int, now_ms: int) -> None:
        """Have `revert_forever` look at `due_ms` at the latest. Redis ms; it is `now_ms` there."""
        if self._due_ms is not None and self._due_ms <= due_ms:
            return
        self._due_ms = due_ms
        self.stop()
        delay_s = (due_ms - now_ms) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._due.set)

    async def revert_forever(self) -> None:
        """End what expires, each time that something does."""
        while True:
            await self._due.wait()
            self._due.clear()
            await self._run()

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
