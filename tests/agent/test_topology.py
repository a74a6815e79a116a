"""An agent where Redis is several servers: it finds its own, and finds it again.

Long, because all of it needs one cluster, which takes seconds to start.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.cluster import RedisCluster
from redis.crc import key_slot

from servers import RedisServer, eventually
from topologies import Cluster, cluster, failover
from upshift_agent import Agent
from upshift_agent.contract import FLEET, Keys, Plan, encode_plan, is_sharded
from upshift_agent.testing import FakeController, RecordingDriver

KEYS = Keys()


class ClusterController(FakeController):
    """A controller of a cluster to hand. What is in a plan comes from any of its servers."""

    def __init__(self, cluster: Cluster) -> None:
        alive = next(node for node in cluster.nodes if node.process)
        super().__init__(alive.url)
        self._cluster: RedisCluster = cluster.client()

    def close(self) -> None:
        super().close()
        self._cluster.close()

    def commit(self, plan: Plan, *, publish: bool = True) -> None:
        now_ms = self.now_ms()
        known = self._plans.get(plan.target)
        rev = max(now_ms * 1000, known.rev + 1 if known else 0)
        plan = self._plans[plan.target] = replace(plan, rev=rev, now_ms=now_ms)
        message = encode_plan(plan)
        self._cluster.set(KEYS.plan(plan.target), message)
        if publish and is_sharded(plan.target):
            self._cluster.spublish(KEYS.changes(plan.target), message)
        elif publish:
            primaries = RedisCluster.PRIMARIES
            self._cluster.publish(KEYS.changes(plan.target), message, target_nodes=primaries)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as whole:
        yield whole


@pytest.fixture
def to_hand(shards: Cluster) -> Iterator[ClusterController]:
    controller = ClusterController(shards)
    yield controller
    controller.close()


def service_on(shards: Cluster, node: RedisServer) -> str:
    """A service whose target that primary holds."""
    return _named("service", shards, node)


def _named(kind: str, shards: Cluster, node: RedisServer) -> str:
    names = (f"{next(_numbers)}" for _ in range(1000))  # never twice: a target keeps its leases
    return next(it for it in names if shards.holding(KEYS.plan(f"{kind}/{it}")) is node)


_numbers = itertools.count()


def following(url: str, service: str, driver: RecordingDriver, **more: Any) -> Agent:
    agent = Agent(redis_url=url, service=service, driver=driver, **more)
    agent.start()
    eventually(lambda: agent.connected)
    return agent


def test_pushes_of_its_service_and_of_the_fleet_reach_an_agent_on_every_shard(
    shards: Cluster, to_hand: ClusterController
) -> None:
    """At once, that is pushed: the next read would be 24 s later or more."""
    began = time.monotonic()
    services = [service_on(shards, node) for node in _primaries(shards)]
    drivers = [RecordingDriver() for _ in services]
    agents = [following(shards.url, *it) for it in zip(services, drivers, strict=True)]
    try:
        for service, driver in zip(services, drivers, strict=True):
            to_hand.boost(f"service/{service}", hz=100, for_s=600)
            driver.wait_for(100)
        cap = to_hand.add(FLEET, "cap", hz=9, for_s=600)
        for driver in drivers:
            driver.wait_for(9)
        to_hand.release(FLEET, cap)
        for driver in drivers:
            driver.wait_for(100)
        assert time.monotonic() - began < 20
    finally:
        for agent in agents:
            agent.stop()


def test_its_node_s_plan_reaches_an_agent_on_every_shard(
    shards: Cluster, to_hand: ClusterController
) -> None:
    """Pushed, and read where it was there before; the node's plan is on one of the shards."""
    name = f"worker-{next(_numbers)}"
    drivers = [RecordingDriver() for _ in _primaries(shards)]
    agents = [
        following(shards.url, service_on(shards, home), driver, attributes={"host.name": name})
        for home, driver in zip(_primaries(shards), drivers, strict=True)
    ]
    try:
        for agent in agents:
            eventually(lambda agent=agent: agent.connected)
        to_hand.add(f"node/{name}", "cap", hz=9, for_s=600)
        for driver in drivers:
            driver.wait_for(9, timeout_s=5)
        late = RecordingDriver()
        home = service_on(shards, _primaries(shards)[0])
        agents.append(following(shards.url, home, late, attributes={"host.name": name}))
        late.wait_for(9)
    finally:
        for agent in agents:
            agent.stop()


def test_what_other_shards_held_before_the_agent_is_in_its_first_snapshot(
    shards: Cluster, to_hand: ClusterController
) -> None:
    fleets = shards.holding(KEYS.plan(FLEET))
    elsewhere = next(node for node in _primaries(shards) if node is not fleets)
    to_hand.set_baseline(7)
    driver = RecordingDriver()
    service = service_on(shards, elsewhere)
    agent = following(shards.url, service, driver)
    try:
        driver.wait_for(7)
        with shards.client() as client:
            assert eventually(lambda: client.zscore(KEYS.reporting, f"service/{service}"))
            assert eventually(lambda: client.hgetall(KEYS.agents(f"service/{service}")))
    finally:
        agent.stop()
        to_hand.set_baseline(19)


def test_an_agent_keeps_two_connections_both_to_the_shard_of_its_service(shards: Cluster) -> None:
    home = _primaries(shards)[1]
    agent = following(shards.url, service_on(shards, home), RecordingDriver())
    try:
        eventually(lambda: agent.status and agent.status.state == "applied")

        def connections() -> dict[int, int]:
            found = {}
            for node in shards.nodes:
                with node.client() as client:
                    # Not the one that asks, and not what nodes have among themselves.
                    found[node.port] = sum(
                        row["flags"] in ("N", "P") and not row["cmd"].startswith("client")
                        for row in client.client_list()
                    )
            return {port: count for port, count in found.items() if count}

        eventually(lambda: connections() == {home.port: 2})
    finally:
        agent.stop()


def test_a_host_agent_hears_its_node_and_its_service_from_two_shards(
    shards: Cluster, to_hand: ClusterController
) -> None:
    service = service_on(shards, _primaries(shards)[0])
    node = _named("node", shards, _primaries(shards)[2])
    driver = RecordingDriver()
    agent = following(shards.url, service, driver, node=node)
    try:
        to_hand.boost(f"service/{service}", hz=49, for_s=600)
        driver.wait_for(49)
        to_hand.boost(f"node/{node}", hz=100, for_s=600)
        driver.wait_for(100)
    finally:
        agent.stop()


def test_versions_are_told_on_their_shard_at_once_by_an_agent_that_joins_later_too(
    shards: Cluster, to_hand: ClusterController
) -> None:
    """Agents of one process share connections; the next visit would be minutes later."""
    service = f"{next(_numbers)}"
    agents = [
        following(shards.url, service, RecordingDriver(), attributes={"service.version": "1"})
    ]
    try:
        with shards.client() as client:

            def told() -> set[str]:
                members = client.zrange(KEYS.versions, 0, -1)
                return {
                    it["service.version"]
                    for it in map(json.loads, members)
                    if it["service.name"] == service
                }

            eventually(lambda: told() == {"1"})
            agents.append(
                following(
                    shards.url, service, RecordingDriver(), attributes={"service.version": "2"}
                )
            )
            eventually(lambda: told() == {"1", "2"})
    finally:
        for agent in agents:
            agent.stop()


def test_an_agent_follows_its_slot_to_another_shard(
    shards: Cluster, to_hand: ClusterController
) -> None:
    one, _, other = _primaries(shards)
    service = service_on(shards, one)
    target, driver = f"service/{service}", RecordingDriver()
    agent = following(shards.url, service, driver)
    try:
        to_hand.boost(target, hz=49, for_s=600)
        driver.wait_for(49)
        _move_slot(shards, KEYS.plan(target), one, other)
        to_hand._cluster.nodes_manager.initialize()
        eventually(lambda: other.client().pubsub_shardnumsub(KEYS.changes(target))[0][1] == 1)
        to_hand.boost(target, hz=100, for_s=600)
        driver.wait_for(100)
    finally:
        agent.stop()
        _move_slot(shards, KEYS.plan(target), other, one)


def test_the_replica_of_a_killed_primary_is_found_and_pushes_come_from_there(
    tmp_path: Path,
) -> None:
    with cluster(tmp_path / "cluster") as whole:
        victim = whole.holding(KEYS.plan("service/checkout"))
        driver = RecordingDriver()
        agent = following(whole.url, "checkout", driver)
        to_hand = ClusterController(whole)
        to_hand.boost("service/checkout", hz=49, for_s=600)
        driver.wait_for(49)
        to_hand.close()
        try:
            victim.kill()
            eventually(lambda: not agent.connected)
            assert driver.frequencies[-1] == 49, "leases held do not depend on a connection"
            eventually(lambda: whole.healthy(without=victim), within_s=20)
            eventually(lambda: agent.connected, within_s=10)
            to_hand = ClusterController(whole)
            to_hand.boost("service/checkout", hz=100, for_s=600)
            driver.wait_for(100)
        finally:
            agent.stop()
            to_hand.close()


def test_sentinels_that_have_a_password_are_asked_with_it(
    tmp_path: Path,
) -> None:
    with failover(tmp_path / "redis") as group:
        for server in (*group.sentinels, group.primary):
            with server.client() as client:
                client.execute_command("ACL", "SETUSER", "default", "resetpass", ">hunter2")
        url = group.url.replace("redis+sentinel://", "redis+sentinel://:hunter2@")
        agent = following(url, "checkout", RecordingDriver())
        agent.stop()


def _primaries(shards: Cluster) -> list[RedisServer]:
    with shards.nodes[0].client() as client:
        rows = client.execute_command("CLUSTER", "SLOTS")
    ports = [primary[1] for _, _, primary, *_ in sorted(rows)]
    return [node for port in dict.fromkeys(ports) for node in shards.nodes if node.port == port]


def _move_slot(shards: Cluster, key: str, source: RedisServer, target: RedisServer) -> None:
    slot = key_slot(key.encode())
    with source.client() as old, target.client() as new:
        ids = {it: it.execute_command("CLUSTER", "MYID") for it in (old, new)}
        new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[old])
        old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[new])
        if keys := old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            old.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for client in (new, old):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[new])
