"""An Alertmanager that answers anything, and a reader of such ones' lists."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.conftest import alert
from upshift_agent.contract import Baseline
from upshift_controller.errors import Unavailable
from upshift_controller.sections.alertmanager import Access, AlertmanagerEntry
from upshift_controller.sources.alertmanager.lists import Lists
from upshift_rules.model import RuleSet, Trigger

RULES = RuleSet(baseline=Baseline(default=19))


def row(n: int = 0, state: str = "active", **more: Any) -> dict[str, Any]:
    """As Alertmanager lists an alert."""
    labels = {"alertname": "HighCPU", "service_name": f"s{n}"}
    return alert(labels, fingerprint=f"{n:016x}") | {"status": {"state": state}} | more


@dataclass
class Stub:
    """An Alertmanager of the test's own, that answers anything."""

    rows: Any = field(default_factory=list)
    uptime: Any = "2026-01-01T00:00:00.000Z"
    receivers: Any = field(default_factory=lambda: [{"name": "upshift"}])
    date: str | None = None
    text: str | None = None
    code: int = 200
    sent: list[web.Request] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.sent.append(request)
        what = request.path.rpartition("/")[2]
        found = {"alerts": self.rows, "receivers": self.receivers}.get(what)
        text = json.dumps({"uptime": self.uptime} if what == "status" else found)
        if what == "alerts" and self.text is not None:
            text = self.text
        headers = {} if self.date is None else {"Date": self.date}
        if self.code in (301, 302):
            headers["Location"] = "/elsewhere"
        return web.Response(text=text, status=self.code, headers=headers)


@asynccontextmanager
async def serving(stub: Stub, context: ssl.SSLContext | None = None) -> AsyncIterator[Stub]:
    app = web.Application()
    app.router.add_get("/{path:.*}", stub.answer)
    server = TestServer(app, scheme="http" if context is None else "https")
    await server.start_server(ssl=context)
    try:
        stub.url = str(server.make_url("")).rstrip("/")
        yield stub
    finally:
        await server.close()


@dataclass
class Reader:
    """`Lists` of some Alertmanagers, and what was handed on."""

    entry: dict[str, Any]
    told: list[tuple[str, str]] = field(default_factory=list)
    read: list[bool] = field(default_factory=list)
    away: bool = False

    def __post_init__(self) -> None:
        self.access: Access | None = Access.of(AlertmanagerEntry(**self.entry))
        self.lists = Lists(
            lambda: self.access, lambda: RULES, lambda _, good: self.read.append(good), wait_s=0.0
        )

    async def look(self) -> list[tuple[str, str]]:
        self.told.clear()
        await self.lists.look(self.receive)
        return self.told

    async def receive(self, triggers: Sequence[Trigger]) -> None:
        if self.away:
            raise Unavailable("Redis is away")
        self.told += [(it.identity.lstrip("0") or "0", it.status) for it in triggers]


def of(*stubs: Stub, **more: Any) -> Reader:
    return Reader({"urls": [it.url for it in stubs]} | more)
