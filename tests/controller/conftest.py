"""A controller in this process over a real Valkey, spoken to by real HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from controller.command import NOWHERE, Run, runner
from own_valkey import announced
from servers import RedisServer, free_port, http_server
from upshift_controller.app import Controller
from upshift_controller.configuration import load

PRODUCTION = {"alertname": "HighCPU", "service_name": "checkout", "environment": "production"}
UNLIMITED = "limits: {max_boosted_agents: unlimited}\n"
WEBHOOK = "/api/v1/webhook/alertmanager"


@dataclass
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class Running:
    """`controller` and a client of its API. Every answer's body is read, JSON where it is JSON."""

    controller: Controller
    client: TestClient[Any, Any]
    redis: redis.Redis

    async def ask(self, method: str, path: str | URL, **options: Any) -> Answer:
        async with self.client.request(method, path, **options) as response:
            text = await response.text()
            body = json.loads(text) if "json" in response.content_type else text
            return Answer(response.status, body, response.headers)

    async def notify(self, *alerts: Any, **more: Any) -> Answer:
        return await self.ask("POST", WEBHOOK, json=notification(*alerts) | more)

    async def history(self, target: str = "service/checkout") -> list[str]:
        """Events of a target, oldest first."""
        answer = await self.ask("GET", "/api/v1/history", params={"target": target})
        return [entry["event"] for entry in reversed(answer.body["entries"])]

    async def leases(self, target: str = "service/checkout") -> list[dict[str, Any]]:
        answer = await self.ask("GET", f"/api/v1/targets/{target}")
        return list(answer.body["leases"])


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(valkey: RedisServer, tmp_path: Path) -> Start:
    """Start a controller on the test's Valkey; `sampling` is YAML, the rest are settings."""

    @asynccontextmanager
    async def running(sampling: str | None = None, **settings: Any) -> AsyncIterator[Running]:
        config = None
        if sampling is not None:
            config = tmp_path / "upshift.yaml"
            config.write_text(sampling)
        async with AsyncExitStack() as stack:
            controller = Controller(lambda: load(config, redis=valkey.url, **settings), valkey.url)
            await stack.enter_async_context(controller.running())
            client = TestClient(TestServer(controller.web_app()))
            await stack.enter_async_context(client)
            yield Running(controller, client, stack.enter_context(valkey.client()))

    return running


@pytest.fixture
async def upshift(start: Start) -> AsyncIterator[Running]:
    """A controller with the built-in rules."""
    async with start() as running:
        yield running


@pytest.fixture
async def unlimited(start: Start) -> AsyncIterator[Running]:
    """The same, and any number of agents may be boosted at once."""
    async with start(UNLIMITED) as running:
        yield running


def alert(
    labels: Mapping[str, str] = PRODUCTION,
    *,
    fingerprint: str = "4bd675a02c6e66f0",
    status: str = "firing",
    **more: Any,
) -> dict[str, Any]:
    return {
        "status": status,
        "labels": dict(labels),
        "annotations": {},
        "startsAt": "2026-01-31T12:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": fingerprint,
    } | more


def notification(*alerts: Any) -> dict[str, Any]:
    """As Alertmanager sends it, the fields included that nobody reads."""
    return {
        "version": "4",
        "groupKey": '{}:{alertname="HighCPU"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "upshift",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "notification_reason": "a field of newer versions",
        "alerts": list(alerts) or [alert()],
    }


def outcomes(answer: Answer) -> Sequence[str]:
    return [it["outcome"] for account in answer.body["alerts"] for it in account["outcomes"]]


@dataclass
class Served:
    """`upshift serve` as a process, and the Redis that it announces to agents."""

    url: str
    redis_url: str


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for all tests of the command: each has a service of its own, and any number of boosts."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    (config := folder / "upshift.yaml").write_text(UNLIMITED)
    command = [sys.executable, "-m", "upshift_controller", "serve", "--config", str(config)]
    command += ["--data", str(folder / "data")]
    with http_server(folder, port, *command, "--listen", f"127.0.0.1:{port}") as server:
        yield Served(server.url, announced(server.log))


@pytest.fixture
def cli(served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The `upshift` command, with `served` as its controller."""
    return runner(monkeypatch, capsys, served.url)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The `upshift` command, with no controller where it looks for one."""
    return runner(monkeypatch, capsys, NOWHERE)
