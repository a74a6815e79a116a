"""The users of `deploy/redis/users.acl`, on real servers: each may do its work and nothing else.

Long, because each user needs a server, and each command a case.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis
from aiohttp.test_utils import TestClient, TestServer
from redis.exceptions import NoPermissionError

from controller.conftest import WEBHOOK, alert, notification
from security.users import SHIPPED, Users, filled_in, server_with_users
from servers import eventually
from upshift_agent import Agent
from upshift_agent.contract import Keys
from upshift_agent.testing import RecordingDriver
from upshift_controller.app import Controller
from upshift_controller.configuration import load

KEYS = Keys()
HOME, TOLD = "service/checkout", ("reporting", "versions")
#: Every server lets anybody do these: they are how one becomes somebody.
ANYBODY = {"auth", "hello", "quit", "reset"}
#: Without a key: they touch connections, clocks and channels only.
KEYLESS = {
    *("ping", "time", "select", "subscribe", "unsubscribe", "ssubscribe", "sunsubscribe"),
    *("client|setname", "client|setinfo", "cluster|slots", "cluster|shards"),
}
#: They would turn the connection into something else, or are refused in words of their own.
OFF_THE_WIRE = {
    *("monitor", "psubscribe", "sync", "psync", "debug", "exec"),
    *("module|load", "module|loadex", "module|unload"),
}
WRITES = {
    "hset": ["hset", "{key}", "field", "x"],
    "hdel": ["hdel", "{key}", "field"],
    "expire": ["expire", "{key}", "100"],
}


@pytest.fixture(params=["valkey", pytest.param("redis", marks=pytest.mark.servers("redis-server"))])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Users]:
    with server_with_users(tmp_path / "redis", debian=request.param == "redis") as server:
        yield server


def commands(admin: redis.Redis) -> dict[str, int]:
    """Every command of the server, subcommands as `config|set`, and its arity."""
    found = {}
    for row in admin.execute_command("COMMAND").values():
        subcommands = row.get("subcommands") or []
        found |= {as_text(sub[0]): sub[1] for sub in subcommands} or {row["name"]: row["arity"]}
    return found


def as_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def refused(client: redis.Redis, *command: str) -> bool:
    """Whether the server has no permission for it. Any other answer means that it was tried."""
    try:
        client.execute_command(*command)
    except NoPermissionError:
        return True
    except (redis.ResponseError, redis.DataError, IndexError, TypeError, ValueError):
        pass
    return False


def may_run(server: Users, role: str) -> set[str]:
    """Commands that the user may run at all, with some key of ours or without one."""
    with server.as_("ADMIN") as admin:
        name = role_name(server, role)
        allowed = set()
        for command, arity in commands(admin).items():
            words = [*command.split("|"), *["x"] * (abs(arity) - 1 - command.count("|"))]
            verdict = as_text(admin.execute_command("ACL DRYRUN", name, *words))
            if "no permissions to run" not in verdict:
                allowed.add(command)
        return allowed - ANYBODY


def role_name(server: Users, role: str) -> str:
    with server.as_(role) as client:
        return str(client.connection_pool.connection_kwargs["username"])


def every_key() -> dict[str, str]:
    mine = {what: getattr(KEYS, what)(HOME) for what in ("state", "plan", "history", "agents")}
    lists = {what: getattr(KEYS, what) for what in ("due", "targets", "budget", "rollouts", *TOLD)}
    return {**mine, **lists, "foreign": "sessions:42", "bare": "upshift:v1:x"}


def test_the_default_user_may_do_nothing(server: Users) -> None:
    with server.client() as anonymous, pytest.raises(redis.AuthenticationError):
        anonymous.ping()


def test_an_agent_may_run_ten_commands_and_no_other(server: Users) -> None:
    with server.as_("ADMIN") as admin, server.as_("AGENT") as agent:
        tried = commands(admin)
        keyed = {"get", "hset", "hdel", "expire", "zadd"}
        assert may_run(server, "AGENT") & set(tried) == (KEYLESS | keyed) & set(tried)
        # And on the wire, not only by the server's own account.
        for command, arity in tried.items():
            if command not in KEYLESS | keyed | ANYBODY | OFF_THE_WIRE:
                words = [*command.split("|"), *["x"] * (abs(arity) - 1 - command.count("|"))]
                assert refused(agent, *words), command
    assert len(tried) > 300


def test_an_agent_reads_plans_and_writes_statuses_and_touches_no_other_key(server: Users) -> None:
    with server.as_("AGENT") as agent:
        for what, key in every_key().items():
            assert refused(agent, "GET", key) == (what != "plan"), what
            for command in WRITES.values():
                words = [word.format(key=key) for word in command]
                assert refused(agent, *words) == (what != "agents"), (what, words)
            assert refused(agent, "ZADD", key, "1", HOME) == (what not in TOLD), what


@pytest.mark.parametrize("command", ["PUBLISH", "SPUBLISH"])
def test_an_agent_cannot_push_a_plan(server: Users, command: str) -> None:
    with server.as_("AGENT") as agent:
        assert refused(agent, command, KEYS.changes(HOME), "{}")


def test_an_agent_hears_plans_only(server: Users) -> None:
    with server.as_("AGENT") as agent, agent.pubsub() as pubsub:
        pubsub.subscribe(KEYS.changes(HOME))
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"
        for channel in ("orders", "upshift:v1:changes", "__keyspace@0__:x"):
            pubsub.subscribe(channel)
            with pytest.raises(NoPermissionError):
                pubsub.get_message(timeout=5)


def test_a_user_of_one_service_touches_no_other(server: Users) -> None:
    text = (SHIPPED / "README.md").read_text()
    (line,) = re.findall(r"^user (upshift-checkout .*)$", text, re.MULTILINE)
    line = line.replace(" +client|setinfo", "")  # which Debian's Redis 7.0 does not know
    with server.as_("ADMIN") as admin:
        name, rules = filled_in(line).split(maxsplit=1)
        admin.execute_command("ACL SETUSER", name, *split_rules(rules))
    with server.as_("CHECKOUT") as agent:
        assert not refused(agent, "GET", KEYS.plan(HOME))
        assert not refused(agent, "GET", KEYS.plan("fleet"))
        assert refused(agent, "GET", KEYS.plan("service/cart"))
        for command in WRITES.values():
            assert not refused(agent, *(word.format(key=KEYS.agents(HOME)) for word in command))
            other = KEYS.agents("service/cart")
            assert refused(agent, *(word.format(key=other) for word in command))
    driver = RecordingDriver()
    with Agent(redis_url=server.url_of("CHECKOUT"), service="checkout", driver=driver) as running:
        eventually(lambda: running.connected)
        with server.as_("ADMIN") as admin:
            eventually(lambda: admin.hlen(KEYS.agents(HOME)))


def split_rules(rules: str) -> list[str]:
    """ACL SETUSER takes a selector as one argument."""
    return re.findall(r"\([^)]*\)|\S+", rules)


async def test_controller_and_sdk_do_all_their_work_under_their_users(server: Users) -> None:
    url = server.url_of("CONTROLLER")
    controller = Controller(lambda: load(None, redis=url), url)
    driver = RecordingDriver()
    with Agent(
        redis_url=server.url_of("AGENT"),
        service="checkout",
        attributes={"deployment.environment.name": "production"},
        driver=driver,
    ) as agent:
        async with (
            controller.running(),
            TestClient(TestServer(controller.web_app())) as client,
            client.get("/api/v1/events") as events,
        ):
            await until(lambda: agent.connected)
            answer = await client.post(WEBHOOK, json=notification(alert()))
            assert (await answer.json())["counts"] == {"granted": 1}
            await until(lambda: driver.frequencies[-1] == 100)
            event = await asyncio.wait_for(granted(events), 10)
            assert event["lease"]["hz"] == 100
            await until_converged(client)
            await every_other_route(client)
            await controller.schedule.sweep()
            await until(lambda: driver.frequencies[-1] == 19)
    assert server.denials() == []


async def granted(events: aiohttp.ClientResponse) -> Any:
    async for line in events.content:
        if line.startswith(b"data: ") and b'"granted"' in line:
            return json.loads(line[6:])
    raise AssertionError("the events ended")


async def until_converged(client: TestClient[Any, Any]) -> None:
    for _ in range(500):
        target = await (await client.get(f"/api/v1/targets/{HOME}")).json()
        if target["agents"] and target["converged"]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(target)


async def every_other_route(client: TestClient[Any, Any]) -> None:
    cap = {"target": "fleet", "kind": "cap", "hz": 0, "duration": "1m"}
    lease = (await (await client.post("/api/v1/leases", json=cap)).json())["outcome"]["lease"]
    for path in ("targets", "agents", "history", "leases", f"history?target={HOME}"):
        assert (await client.get(f"/api/v1/{path}")).status == 200, path
    assert (await client.post("/api/v1/explain", json=alert())).status == 200
    assert (await client.delete(f"/api/v1/leases/{lease}")).status == 200
    assert (await client.delete(f"/api/v1/targets/{HOME}/leases")).status == 200
    assert (await client.post("/-/reload")).status == 200
    assert (await client.get("/-/ready")).status == 200


async def until(check: Any) -> None:
    await asyncio.to_thread(eventually, check)


def test_an_override_with_the_agents_user_is_told_what_user_it_takes(server: Users) -> None:
    command = [sys.executable, "-m", "upshift_controller", "cap", "fleet", "--hz", "0"]
    command += ["--for", "1m", "--direct", server.url_of("AGENT")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    said = " ".join(done.stderr.split())
    assert done.returncode == 3
    assert "Redis refuses this user" in said
    assert "upshift-controller of deploy/redis/users.acl" in said


def test_until_the_hashes_are_filled_in_the_server_refuses_to_start(tmp_path: Path) -> None:
    text = (SHIPPED / "users.acl").read_text()
    roles = ("ADMIN", "CONTROLLER", "AGENT", "HOST")
    assert set(re.findall(r"#(\w+)", text)) == {f"{role}_SHA256" for role in roles}
    assert ">" not in text
    assert "nopass" not in text
