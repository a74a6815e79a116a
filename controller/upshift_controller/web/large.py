"""Large bodies, few at a time for each caller: reading one takes many times its size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from ..errors import Unavailable

#: Alertmanager's notification of a thousand alerts is about as large.
LARGE_BYTES = 1024 * 1024
#: Large bodies of one caller that are under way at a time.
TOGETHER = 2
#: As long as Alertmanager itself waits for an answer by default, in seconds.
WAIT_S = 10.0


class LargeBodies:
    """The turns of all callers, each of whom may send a few large bodies at a time.

    A request that announces a smaller body needs no turn, so a kill switch never waits here.
    """

    def __init__(self) -> None:
        self._turns: dict[str | None, asyncio.Semaphore] = {}  # names are the configuration's

    @asynccontextmanager
    async def turn(self, request: web.Request, caller: str | None) -> AsyncIterator[None]:
        """Wait for a turn. Raise `Unavailable` if none comes within `WAIT_S`."""
        length = request.content_length
        if not request.body_exists or (length is not None and length <= LARGE_BYTES):
            yield
            return
        turns = self._turns.setdefault(caller, asyncio.Semaphore(TOGETHER))
        try:
            async with asyncio.timeout(WAIT_S):
                await turns.acquire()
        except TimeoutError as error:
            raise Unavailable(
                f"{TOGETHER} bodies of over {LARGE_BYTES // 2**20} MiB by this caller are under "
                "way, and no more are read at a time"
            ) from error
        try:
            yield
        finally:
            turns.release()
