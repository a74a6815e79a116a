"""A real HTTP server that takes notices, answers as a test says, and hangs or closes if told so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from upshift_agent.contract import Cause, Lease
from upshift_controller.notify.notices import Notice
from upshift_controller.sections.notify import Destination

NOW_MS = 1_795_435_200_000
HANG, CLOSE = "hang", "close"


@dataclass
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    query: list[tuple[str, str]]
    body: Any


@dataclass
class Receiver:
    """script: how the next requests are answered, each once; then all by 200."""

    script: list[str | web.Response] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        query = list(request.query.items())
        self.asked.append(Asked(request.method, request.path, dict(request.headers), query, body))
        self.heard.set()
        say = self.script.pop(0) if self.script else web.json_response({})
        if say == HANG:
            await asyncio.Event().wait()
        if isinstance(say, str):
            assert request.transport
            request.transport.abort()
            return web.Response()
        return say

    async def hears(self, count: int) -> None:
        """Wait until there were so many requests."""
        while len(self.asked) < count:
            self.heard.clear()
            await self.heard.wait()


@asynccontextmanager
async def receiver(*script: str | web.Response) -> AsyncIterator[Receiver]:
    made = Receiver([*script])
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    async with TestServer(app) as server:
        made.url = str(server.make_url("/hook"))
        yield made


def destination(url: str = "http://127.0.0.1:1/hook", **more: Any) -> Destination:
    return Destination(**{"name": "on_call", "shape": "json", "url": url} | more)


LEASE = Lease(
    id="high_cpu/3f9a07c1",
    kind="boost",
    hz=97,
    since_ms=NOW_MS,
    expires_at_ms=NOW_MS + 600_000,
    cause=Cause.of_rule("high_cpu", alertname="HighCPU", fingerprint="f00"),
)


def notice(**more: Any) -> Notice:
    """The beginning of a boost."""
    said = {
        "id": "service/checkout/1/0",
        "topic": "boost",
        "event": "granted",
        "at_ms": NOW_MS,
        "target": "service/checkout",
        "lease": LEASE,
        "reason": LEASE.reason,
    }
    return Notice(**said | more)


def its_end(**more: Any) -> Notice:
    said = {"id": "service/checkout/2/0", "event": "expired", "at_ms": NOW_MS + 600_000}
    return notice(**said | {"reason": f"{LEASE.reason}; it ran to its end"} | more)
