"""Background tasks that do not end: one that does is told of and started again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger()

#: Pauses before a task is started again, growing; after `GOOD_S` of work from the first again.
FIRST_PAUSE_S = 0.1
LAST_PAUSE_S = 5.0
GOOD_S = 60.0


@asynccontextmanager
async def supervised(
    name: str,
    work: Callable[[], Awaitable[None]],
    restarted: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[None]:
    """Run `work` for as long as the context lasts, again whenever it ends. That is logged with its
    reason, and `restarted` is told the name."""
    task = asyncio.create_task(_forever(name, work, restarted), name=f"{name}, supervised")
    try:
        yield
    finally:
        await end(task)


async def _forever(
    name: str, work: Callable[[], Awaitable[None]], restarted: Callable[[str], None]
) -> None:
    pause_s = FIRST_PAUSE_S
    while True:
        began = time.monotonic()
        task: asyncio.Task[None] = asyncio.create_task(_run(work), name=name)
        try:
            await asyncio.wait([task])
        finally:
            await end(task)
        # A library may have cancelled it: nobody here did.
        error = None if task.cancelled() else task.exception()
        log.error("background task ended; it is started again", task=name, exc_info=error)
        restarted(name)
        if time.monotonic() - began > GOOD_S:
            pause_s = FIRST_PAUSE_S
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LAST_PAUSE_S)


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task until it is done."""
    while not task.done():
        # More than once: on Python 3.11 `asyncio.wait_for`, with which redis-py sends, loses a
        # cancellation that comes just as the sending is done (python/cpython#86296).
        task.cancel()
        await asyncio.wait([task], timeout=0.1)
