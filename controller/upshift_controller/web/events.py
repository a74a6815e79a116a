"""`GET /api/v1/events`: every change, by any controller, as server-sent events."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import structlog
from aiohttp import web
from aiohttp_sse import sse_response

from ..errors import Refused, Unavailable
from ..runtime.supervised import end
from ..storage.history import Histories, HistoryLine
from ..views.models import HistoryEntry
from .api import history_entry
from .route import ALLOWED, CALLER, Route

log = structlog.get_logger()

#: Between looks for news, and at whether the token is still one.
POLL_S = 0.5
#: Streams at a time for each token.
MAX_STREAMS = 50
#: Events that may wait for a client that does not read; then its stream ends.
MAX_WAITING = 10_000


class _Event(NamedTuple):
    text: str
    event: str
    id: str


class News:
    """The one reader of the history for all event streams, for as long as there are any."""

    def __init__(self, histories: Histories) -> None:
        self._histories = histories
        self._streams: dict[asyncio.Queue[_Event], str | None] = {}
        self._reader: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listening(
        self, name: str | None, most: int = MAX_STREAMS
    ) -> AsyncIterator[asyncio.Queue[_Event]]:
        """Yield a queue of the changes from now on, for the holder of token `name`.

        Raise `Refused` where it has `most` streams, `Unavailable` without Redis.
        """
        if Counter(self._streams.values())[name] >= most:
            raise Refused(
                f"there are {most} streams for this token already; end some first",
                slug="streams",
                status=429,
            )
        queue: asyncio.Queue[_Event] = asyncio.Queue(MAX_WAITING)
        self._streams[queue] = name
        try:
            if self._reader is None or self._reader.done():
                watch = await self._histories.watch()
                self._reader = asyncio.create_task(self._read(watch.news), name="news")
            yield queue
        finally:
            self._streams.pop(queue, None)
            if not self._streams and self._reader is not None:
                reader, self._reader = self._reader, None
                await end(reader)

    def still(self, queue: asyncio.Queue[_Event]) -> bool:
        """Whether a stream has kept up with the changes."""
        return queue in self._streams

    async def _read(self, news: Callable[[], Awaitable[list[HistoryLine]]]) -> None:
        while True:
            try:
                for line in await news():
                    text = history_entry(line).model_dump_json(exclude_none=True)
                    self._tell(_Event(text, str(line.entry["event"]), str(line.rev)))
            except Unavailable:
                pass  # the next look will find what this one missed
            except Exception:  # what cannot be told must not end the streams
                log.exception("news cannot be told")
            await asyncio.sleep(POLL_S)

    def _tell(self, event: _Event) -> None:
        for queue in list(self._streams):
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                del self._streams[queue]


async def told(
    request: web.Request,
    news: News,
    name: str | None,
    *,
    most: int = MAX_STREAMS,
    empty: bool = False,
    each_s: float = POLL_S,
) -> web.StreamResponse:
    """Tell the changes until the client goes, or may not be told any more. Raise as `listening`.

    each_s: between looks at whether it may. empty: say only that there was one, of several at once
    the last.
    """
    async with news.listening(name, most) as queue, sse_response(request) as response:
        with suppress(ConnectionResetError):  # it has gone
            while response.is_connected() and request[ALLOWED]() and news.still(queue):
                try:
                    async with asyncio.timeout(each_s):
                        event = await queue.get()
                except TimeoutError:
                    continue
                if not empty:
                    await response.send(event.text, event=event.event, id=event.id)
                    continue
                while not queue.empty():
                    event = queue.get_nowait()
                await response.send("", event="news", id=event.id)
    return response


def routes(news: News) -> list[Route]:
    async def events(request: web.Request) -> web.StreamResponse:
        return await told(request, news, request[CALLER].name)

    return [
        Route(
            method="GET",
            path="/api/v1/events",
            handler=events,
            role="viewer",
            answer=HistoryEntry,
            summary="Changes as they happen: server-sent events, each an entry of the history.",
        )
    ]
