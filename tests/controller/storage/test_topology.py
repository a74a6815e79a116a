"""Redis is several servers, which change places: what `reliability/redis/` leaves out."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from controller.conftest import Answer, alert, notification
from servers import RedisServer, eventually
from topologies import Cluster, cluster, failover
from upshift_agent import Agent
from upshift_agent.contract import Keys
from upshift_agent.testing import RecordingDriver
from upshift_controller.app import Controller
from upshift_controller.configuration import load
from upshift_controller.storage.connect import Servers

KEYS = Keys()
WEBHOOK = "/api/v1/webhook/alertmanager"


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


async def test_a_cap_on_the_fleet_reaches_agents_whose_server_hears_none_of_the_others(
    one_cluster: Cluster,
) -> None:
    """Servers drop what they relay while the link between them is broken, and tell nobody."""
    primaries = [one_cluster.holding(KEYS.plan(f"service/{name}")) for name in ("a", "b", "c")]
    assert len({node.port for node in primaries}) == 3
    drivers = [RecordingDriver() for _ in primaries]
    async with controller(one_cluster.url) as upshift, AsyncExitStack() as stack:
        for name, driver in zip("abc", drivers, strict=True):
            agent = Agent(redis_url=one_cluster.url, service=name, driver=driver)
            stack.enter_context(agent)
            await asyncio.to_thread(eventually, lambda agent=agent: agent.connected)
        stack.enter_context(broken_links(primaries))
        cap = {"target": "fleet", "kind": "cap", "hz": 7, "duration": "10m"}
        assert (await upshift.ask("POST", "/api/v1/leases", json=cap)).status == 201
        for driver in drivers:
            await asyncio.to_thread(driver.wait_for, 7, timeout_s=2)


@contextmanager
def broken_links(nodes: list[RedisServer]) -> Iterator[None]:
    """They are made anew each 100 ms, and broken again at once."""
    with ExitStack() as stack:
        clients = [stack.enter_context(node.client()) for node in nodes]
        names = [client.execute_command("CLUSTER", "MYID") for client in clients]

        def break_links() -> None:
            for client in clients:
                with client.pipeline(transaction=False) as pipe:
                    for name in names:
                        pipe.execute_command("DEBUG", "CLUSTERLINK", "KILL", "ALL", name)
                    pipe.execute(raise_on_error=False)  # a server has no link to itself

        def keep_breaking() -> None:
            while not ended.wait(0.005):
                break_links()

        break_links()
        ended = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(keep_breaking)
            try:
                yield
            finally:
                ended.set()


@pytest.fixture(scope="module")
def one_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as whole:
        yield whole
