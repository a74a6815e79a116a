"""`upshift purge`: nothing of a namespace is left, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from controller.command import Ended, Run, agent, runner
from servers import RedisServer
from topologies import cluster, failover

ALL = "upshift:v1:*"
TARGETS = 300


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(monkeypatch, capsys, "http://127.0.0.1:1")


def boosted(cli: Run, url: str, *more: str) -> None:
    """What Upshift leaves behind, by its own commit."""
    done = cli("boost", "service/a", "--hz", "50", "--for", "1m", "--direct", url, *more)
    assert done.code == 0, done.err


def is_refused(ended: Ended) -> bool:
    return ended.code == 1 and "refused: it is in use" in ended.err


@contextmanager
def strangers(client: Redis) -> Iterator[None]:
    """Keys that look like ours, and must be there afterwards."""
    names = ("upshift:v2:due", "upshiftX:v1:due", "my-upshift:v1:due", "upshift", "upshift:v10:a")
    for name in names:
        client.set(name, "a stranger's")
    yield
    assert [client.get(name) for name in names] == ["a stranger's"] * len(names)


def test_every_key_goes_however_many_and_nothing_else(cli: Run, valkey: RedisServer) -> None:
    with valkey.client() as client, strangers(client):
        boosted(cli, valkey.url)
        boosted(cli, valkey.url, "--namespace", "other")
        others = set(client.keys("other:v1:*"))
        for number in range(5_000):
            client.hset(f"upshift:v1:{{service/{number}}}:agents", "a", "not even JSON")
        count = len(client.keys(ALL))
        purged = cli("purge", "--redis", valkey.url, "--yes")
        assert (purged.code, f"Deleted {count:,} keys." in purged.out) == (0, True), purged
        assert client.keys(ALL) == []
        assert set(client.keys("other:v1:*")) == others != set()
    again = cli("purge", "--redis", valkey.url)
    assert (again.code, "0 keys" in again.out) == (0, True), "nothing to ask for"


def test_it_asks_and_without_a_yes_nothing_is_deleted(cli: Run, valkey: RedisServer) -> None:
    boosted(cli, valkey.url)
    with valkey.client() as client:
        before = set(client.keys())
        for answer in (b"n\n", b"", b"\n", b"what?\nn\n"):
            ended = cli("purge", "--redis", valkey.url, stdin=answer)
            assert (ended.code, "nothing was deleted" in ended.err) == (1, True), ended
        assert set(client.keys()) == before
        assert cli("purge", "--redis", valkey.url, stdin=b"y\n").code == 0
        assert client.keys() == []


def test_while_an_agent_lives_it_is_refused_unless_forced(cli: Run, valkey: RedisServer) -> None:
    with agent(valkey.url, "checkout"), valkey.client() as client:
        assert is_refused(cli("purge", "--redis", valkey.url, "--yes"))
        assert client.keys(ALL)
        assert cli("purge", "--redis", valkey.url, "--yes", "--force").code == 0
    assert not is_refused(cli("purge", "--redis", valkey.url, "--yes")), "it said good-bye"


def test_while_a_controller_is_connected_it_is_refused(cli: Run, valkey: RedisServer) -> None:
    boosted(cli, valkey.url)
    with Redis.from_url(valkey.url, client_name="upshift-controller") as controller:
        controller.ping()
        ended = cli("purge", "--redis", valkey.url, "--yes")
        assert is_refused(ended)
        assert "controllers' connections: 1" in ended.out


def test_a_user_who_may_not_look_is_told_what_is_missing(
    cli: Run, valkey: RedisServer, tmp_path: Path
) -> None:
    boosted(cli, valkey.url)
    with valkey.client() as client:
        few = {"enabled": True, "passwords": ["+pw"], "keys": ["*"]}
        client.acl_setuser("small", commands=["+@all", "-client|list"], **few)
        client.acl_setuser("none", commands=["+ping", "+client", "+time"], **few)
    where = tmp_path / "url"
    where.write_text(valkey.url.replace("//", "//none:pw@") + "\n")
    refused = cli("purge", "--redis", str(where), "--yes")
    assert (refused.code, "takes SCAN and UNLINK" in refused.err) == (3, True), refused
    assert "pw" not in refused.err
    small = cli("purge", "--redis", valkey.url.replace("//", "//small:pw@"), "--yes")
    assert (small.code, "cannot be seen by this user" in small.out) == (0, True), small


@pytest.mark.parametrize("where", ["nonsense", "redis://127.0.0.1:1", "redis+sentinel://x"])
def test_what_is_no_redis_is_one_sentence(cli: Run, where: str) -> None:
    ended = cli("purge", "--redis", where, "--yes")
    assert ended.code in (1, 2, 3)
    assert len(ended.err.splitlines()) <= 2, ended.err
    assert "defect" not in ended.err


def test_on_sentinels_the_primary_is_purged_and_its_replica_follows(
    cli: Run, tmp_path: Path
) -> None:
    with failover(tmp_path) as servers, servers.primary.client() as client:
        boosted(cli, servers.url)
        assert client.keys(ALL)
        purged = cli("purge", "--redis", servers.url, "--yes")
        assert purged.code == 0, purged
        assert client.keys(ALL) == []
        client.wait(1, 5_000)
        with servers.replica.client() as replica:
            assert replica.keys(ALL) == []


def test_on_a_cluster_every_node_is_purged(cli: Run, tmp_path: Path) -> None:
    with cluster(tmp_path) as servers, servers.client() as client:
        for number in range(TARGETS):
            client.set(f"upshift:v1:{{service/{number}}}:plan", "x")
        client.set("upshift:v10:a", "a stranger's")
        purged = cli("purge", "--redis", servers.url, "--yes")
        assert f"Deleted {TARGETS} keys" in purged.out, purged
        assert client.keys("*", target_nodes="primaries") == ["upshift:v10:a"]
