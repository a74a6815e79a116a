"""A backend for pyroscope-io that takes every push and counts its bytes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web


class Sink:
    """Bytes received, by the first part of the path."""

    def __init__(self) -> None:
        self.received: dict[str, int] = {}
        self.port = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    async def push(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.received[name] = self.received.get(name, 0) + len(await request.read())
        return web.Response(content_type="application/proto")


@contextmanager
def sink() -> Iterator[Sink]:
    """Runs on a thread of this process."""
    made, loop = Sink(), asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/{name}/{rest:.*}", made.push)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.port = runner.addresses[0][1]
        return runner

    runner = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
