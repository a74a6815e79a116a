"""Bridges in this process, over a real Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from host.bridges.elastic.apm_server import ApmServer, apm_server
from host.bridges.opamp.standin import StandIn
from servers import RedisServer, free_port
from upshift_agent.testing import FakeController
from upshift_host.bridges.reading import load
from upshift_host.bridges.serving import Bridge, running

#: Start one, of `opamp` or `elastic`, and return it with its URL.
StartBridge = Callable[..., Any]


@pytest.fixture
def controller(valkey: RedisServer) -> Iterator[FakeController]:
    controller = FakeController(valkey.url)
    yield controller
    controller.close()


@pytest.fixture
async def start(valkey: RedisServer, tmp_path: Path) -> AsyncIterator[StartBridge]:
    async with AsyncExitStack() as stack:

        async def start(which: str, section: str = "", more: str = "") -> tuple[Bridge, str]:
            path = tmp_path / f"bridge-{free_port()}.yaml"
            path.write_text(
                f"redis: {valkey.url}\n{more}{which}:\n  listen: 127.0.0.1:{free_port()}\n{section}"
            )
            made = running(load(path, which), which)  # type: ignore[arg-type]
            return await stack.enter_async_context(made)

        yield start


Join = Callable[..., Awaitable[StandIn]]


@pytest.fixture
async def join() -> AsyncIterator[Join]:
    """Connect a stand-in; it is closed after the test."""
    async with AsyncExitStack() as stack:

        async def join(url: str, **how: Any) -> StandIn:
            made = StandIn(f"{url.replace('http', 'ws', 1)}/v1/opamp", **how)
            await made.connect()
            stack.push_async_callback(made.close)
            return made

        yield join


@pytest.fixture
def server() -> Iterator[ApmServer]:
    with apm_server(capture_body="off") as made:
        yield made


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
async def elastic(start: StartBridge, server: ApmServer) -> tuple[Any, str]:
    section = f"  server: {{url: '{server.url}'}}\n  transaction_sample_rate: 0.5\n"
    found: tuple[Any, str] = await start("elastic", section)
    return found


async def soon(check: Callable[[], Any], within_s: float = 15.0) -> Any:
    """`servers.eventually`, without holding up the event loop."""
    async with asyncio.timeout(within_s):
        while not (found := check()):  # noqa: ASYNC110  # what it looks at has no event
            await asyncio.sleep(0.01)
    return found
