"""`GET /api/v1/events`: every change, by any controller, as server-sent events."""

from __future__ import annotations

from aiohttp import web
from aiohttp_sse import sse_response

from upshift_agent.errors import WireError
from upshift_agent.wire import decode_plan

from ..models import HistoryEntry
from ..records import Records
from .api import history_entry
from .routes import Route


def routes(records: Records) -> list[Route]:
    async def events(request: web.Request) -> web.StreamResponse:
        async with records.changes() as changes, sse_response(request) as response:
            async for change in changes:
                if not response.is_connected():
                    break
                if change is None:
                    continue
                target, message = change
                try:
                    rev = decode_plan(message).rev
                except WireError:
                    continue  # not from a controller; agents report it
                for line in await records.entries_of(target, rev):
                    entry = history_entry(line).model_dump_json(exclude_none=True)
                    await response.send(entry, event=str(line.entry["event"]), id=str(rev))
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
