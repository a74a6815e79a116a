"""`GET /api/v1/events`: every change, by any controller, as server-sent events."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web
from aiohttp_sse import sse_response

from ..errors import Unavailable
from ..models import HistoryEntry
from ..records import Records
from .api import history_entry
from .routes import Route

#: Between looks for news.
POLL_S = 0.5


def routes(records: Records) -> list[Route]:
    async def events(request: web.Request) -> web.StreamResponse:
        watch = await records.watch()
        async with sse_response(request) as response:
            while response.is_connected():
                with suppress(Unavailable):  # the next look will find what this one missed
                    for line in await watch.news():
                        entry = history_entry(line).model_dump_json(exclude_none=True)
                        event = str(line.entry["event"])
                        await response.send(entry, event=event, id=str(line.rev))
                await asyncio.sleep(POLL_S)
        return response

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
