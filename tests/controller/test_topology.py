"""Redis is several servers and one of them dies: nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from controller.conftest import Answer, alert, notification
from servers import RedisServer, eventually
from topologies import Cluster, cluster, failover
from upshift_agent import Agent
from upshift_agent.testing import RecordingDriver
from upshift_agent.wire import Keys
from upshift_controller.app import Controller
from upshift_controller.configuration import load
from upshift_controller.connect import Servers

KEYS = Keys()
WEBHOOK = "/api/v1/webhook/alertmanager"


@dataclass
class Deployment:
    """Where Redis is, which of its servers will die, and how to tell that it has been replaced."""

    url: str
    victim: RedisServer
    replaced: Callable[[], bool]


@pytest.fixture(params=["sentinel", "cluster: a target's shard", "cluster: the shard of due"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    with ExitStack() as stack:
        if request.param == "sentinel":
            group = stack.enter_context(failover(tmp_path / "redis"))
            yield Deployment(group.url, group.primary, group.promoted)
        else:
            whole = stack.enter_context(cluster(tmp_path / "redis"))
            key = KEYS.due if request.param.endswith("due") else KEYS.state("service/checkout")
            victim = whole.holding(key)
            yield Deployment(whole.url, victim, lambda: whole.healthy(without=victim))


@dataclass
class Api:
    client: TestClient  # type: ignore[type-arg]  # its parameters changed between versions

    async def ask(self, method: str, path: str, **options: object) -> Answer:
        async with self.client.request(method, path, **options) as response:  # type: ignore[arg-type]
            return Answer(response.status, await response.json(), response.headers)

    async def deliver(self, service: str, seen: list[tuple[int, float]]) -> None:
        """As Alertmanager does: again until it is taken. Adds each status and its seconds."""
        body = notification(
            alert({"alertname": "HighCPU", "service": service}, fingerprint=service)
        )
        while not seen or seen[-1][0] != 200:
            began = time.monotonic()
            answer = await self.ask("POST", WEBHOOK, json=body)
            seen.append((answer.status, time.monotonic() - began))
            await asyncio.sleep(0.05)


@asynccontextmanager
async def controller(url: str) -> AsyncIterator[Api]:
    async with AsyncExitStack() as stack:
        running = Controller(lambda: load(None, redis=url), url)
        await stack.enter_async_context(running.running())
        client = TestClient(TestServer(running.web_app()))
        yield Api(await stack.enter_async_context(client))


async def until(ask: Callable[[], Awaitable[object]], answer: object) -> None:
    async with asyncio.timeout(15):
        while await ask() != answer:  # noqa: ASYNC110  # it asks a server, which sets no event
            await asyncio.sleep(0.05)


async def test_a_killed_primary_costs_no_boost_and_leaves_none_behind(
    deployment: Deployment,
) -> None:
    driver = RecordingDriver()
    with ExitStack() as stack:
        agents = [
            stack.enter_context(Agent(redis_url=deployment.url, service=name, driver=it))
            for name, it in (("checkout", driver), ("cart", RecordingDriver()))
        ]
        async with controller(deployment.url) as upshift:
            await asyncio.to_thread(eventually, lambda: all(agent.connected for agent in agents))
            early = {f"early-{i}": [] for i in range(30)}  # type: ignore[var-annotated]
            await asyncio.gather(*(upshift.deliver(*it) for it in early.items()))
            short = {"target": "service/short", "kind": "cap", "hz": 9, "duration": "2s"}
            assert (await upshift.ask("POST", "/api/v1/leases", json=short)).status == 201
            # Half of them are under way when it happens, half come in the midst of the outage.
            late = {f"late-{i}": [] for i in range(40)}  # type: ignore[var-annotated]
            first, second = list(late.items())[:20], list(late.items())[20:]
            under_way = asyncio.gather(*(upshift.deliver(*it) for it in first))
            await asyncio.sleep(0.005)
            deployment.victim.kill()
            checkout: list[tuple[int, float]] = []
            await asyncio.gather(
                under_way,
                upshift.deliver("checkout", checkout),
                *(upshift.deliver(*it) for it in second),
            )
            assert deployment.replaced()
            answers = [it for row in (*early.values(), *late.values(), checkout) for it in row]
            assert {status for status, _ in answers} == {200, 503}, "an outage, and no defect"
            assert max(seconds for _, seconds in answers) < 5
            assert (await asyncio.to_thread(driver.wait_for, 100)).hz == 100

            for service in (*early, *late, "checkout"):
                target = (await upshift.ask("GET", f"/api/v1/targets/service/{service}")).body
                assert [lease["hz"] for lease in target["leases"]] == [100], service
                params = {"target": f"service/{service}"}
                history = await upshift.ask("GET", "/api/v1/history", params=params)
                assert [it["event"] for it in history.body["entries"]] == ["granted"], service

            async def leases() -> list[object]:
                answer = await upshift.ask("GET", "/api/v1/targets/service/short")
                return list(answer.body["leases"])

            await until(leases, [])


async def test_a_change_after_the_failover_has_a_higher_revision_and_reaches_the_agents(
    tmp_path: Path,
) -> None:
    """The promoted server's clock may be behind; the revision grows all the same."""
    driver = RecordingDriver()
    with failover(tmp_path / "redis") as group:
        async with controller(group.url) as upshift:
            with Agent(redis_url=group.url, service="checkout", driver=driver) as agent:
                await asyncio.to_thread(eventually, lambda: agent.connected)
                await upshift.deliver("checkout", [])
                before = (await asyncio.to_thread(driver.wait_for, 100)) and agent.status
                assert before is not None
                # Planned, so nothing closes the connections: the old primary just goes on as a
                # replica, and only says so when it is asked to write.
                with group.sentinels[0].client() as sentinel:
                    sentinel.execute_command("SENTINEL", "FAILOVER", "upshift")
                await asyncio.to_thread(eventually, group.promoted, within_s=20)
                cap = {"target": "service/checkout", "kind": "cap", "hz": 49, "duration": "10m"}

                async def status() -> int:
                    return (await upshift.ask("POST", "/api/v1/leases", json=cap)).status

                await until(status, 201)
                await asyncio.to_thread(driver.wait_for, 49)
                assert agent.status is not None
                target = "service/checkout"
                assert agent.status.requested.revs[target] > before.requested.revs[target]


async def test_without_a_replica_commits_count_all_the_same_and_soon_wait_no_more(
    tmp_path: Path,
) -> None:
    with failover(tmp_path / "redis") as group:
        group.replica.kill()
        async with controller(group.url) as upshift:
            seen: list[tuple[int, float]] = []
            for i in range(5):
                seen.append((0, 0))
                await upshift.deliver(f"s{i}", seen)
            assert [status for status, _ in seen if status] == [200] * 5
            assert min(seconds for status, seconds in seen if status) < 0.5


async def test_one_read_and_one_commit_go_to_each_server_whatever_they_carry(
    one_cluster: Cluster,
) -> None:
    async def ask() -> int:
        batch = await servers.batch()
        for i in range(300):
            batch.on(KEYS.state(f"service/{i}")).get(KEYS.state(f"service/{i}"))
        batch.then()
        batch.on(KEYS.due).time()
        answers = await batch.execute()
        assert answers[:300] == [None] * 300
        assert len(answers[300]) == 2
        return sum(len(stage.pipes) for stage in batch._stages)

    servers = Servers(one_cluster.url)
    try:
        assert await ask() == 3 + 1
    finally:
        await servers.aclose()


async def test_events_tell_of_changes_on_every_shard(one_cluster: Cluster) -> None:
    async with (
        controller(one_cluster.url) as upshift,
        upshift.client.get("/api/v1/events") as stream,
    ):
        services = {f"told-{i}" for i in range(12)}
        await asyncio.gather(*(upshift.deliver(service, []) for service in services))
        told: set[str] = set()
        async with asyncio.timeout(10):
            while not told >= services:
                line = (await stream.content.readline()).decode()
                told |= {service for service in services if f'service/{service}"' in line}


@pytest.fixture(scope="module")
def one_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as whole:
        yield whole
