"""Rollouts of real agents, over a real Valkey: who is boosted, once, and what is said of it.

Long, because what a rollout is takes many small histories.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from redis import Redis

from controller.command import Run
from controller.conftest import Running, Start
from servers import RedisServer, eventually
from upshift_agent import Agent
from upshift_agent.contract import Keys
from upshift_agent.testing import RecordingDriver
from upshift_controller.sources.rollouts.knowledge import Knowledge, Known, Service, encode
from upshift_controller.sources.rollouts.watching import Rollouts
from upshift_controller.storage.connect import Servers
from upshift_controller.storage.reports.versions import Versions
from upshift_rules.model import Trigger

KEYS = Keys()
HOME = "service/checkout"
SCOPE = (("deployment.environment.name", "production"), ("service.name", "checkout"))
RULES = """
sampling:
  default: 19
  on_rollout:
    - {frequency: 97, duration: 10m, match: ['environment="production"']}
"""


class Agents:
    """Agents of `checkout` in production, each of its version."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url, self._stack = url, stack

    async def start(self, version: str, **more: str) -> tuple[Agent, RecordingDriver]:
        driver = RecordingDriver()
        named = {"deployment.environment.name": "production", "service.version": version}
        attributes = {**named, **more}
        agent = Agent(redis_url=self._url, service="checkout", driver=driver, attributes=attributes)
        self._stack.enter_context(agent)
        await asyncio.to_thread(eventually, lambda: agent.connected)
        return agent, driver


@pytest.fixture
def agents(valkey: RedisServer) -> Iterator[Agents]:
    with ExitStack() as stack:
        yield Agents(valkey.url, stack)


def remember(client: Redis, *living: str) -> None:
    """As if controllers had looked for an hour, and these versions had lived throughout."""
    now_ms = client.time()[0] * 1000
    before_ms = now_ms - 3_600_000
    known = {it: Known(True, before_ms, before_ms, "learnt") for it in living}
    service = Service(living[0], known)
    client.set(KEYS.rollouts, encode(Knowledge(before_ms, now_ms, before_ms, {SCOPE: service})))


async def until_known(running: Running, version: str) -> None:
    """Until a controller has seen that version."""

    def seen() -> bool:
        stored = running.redis.get(KEYS.rollouts) or ""
        return f'"{version}":[true,' in stored

    await asyncio.to_thread(eventually, seen, within_s=30)  # its next report may be the one


async def test_the_agents_of_a_new_version_are_boosted_and_no_others(
    start: Start, agents: Agents, valkey: RedisServer
) -> None:
    async with start(RULES) as upshift:
        remember(upshift.redis, "1")
        _, old = await agents.start("1")
        _, new = await agents.start("2")
        decision = await asyncio.to_thread(new.wait_for, 97)
        assert decision.reason.endswith("rollout of 2")
        _, later = await agents.start("2")
        await asyncio.to_thread(later.wait_for, 97)
        assert set(old.frequencies) == {19}
        (lease,) = await upshift.leases()
        assert lease["because"]["rollout"] == "2"
        assert await upshift.history() == ["granted"]
        metrics = (await upshift.ask("GET", "/metrics")).body
        assert 'upshift_rollouts_total{outcome="granted"} 1.0' in metrics


async def test_two_controllers_grant_once(start: Start, agents: Agents) -> None:
    async with start(RULES) as one, start(RULES) as two:
        remember(one.redis, "1")
        await agents.start("1")
        _, new = await agents.start("2")
        await asyncio.to_thread(new.wait_for, 97)
        for it in (one, two):
            await it.controller.rollouts.look()
        assert await two.history() == ["granted"]
        assert len(await one.leases()) == 1


async def test_a_controller_that_was_down_for_a_while_finds_what_was_rolled_out_meanwhile(
    start: Start, agents: Agents
) -> None:
    async with start(RULES) as before:
        remember(before.redis, "1")
        await agents.start("1")
    _, new = await agents.start("2")
    async with start(RULES):
        await asyncio.to_thread(new.wait_for, 97)


async def test_a_restart_of_the_same_version_is_none_after_a_controller_s_restart_too(
    start: Start, agents: Agents
) -> None:
    async with start(RULES) as upshift:
        remember(upshift.redis, "1")
        agent, _ = await agents.start("1")
        agent.stop()
        await agents.start("1")
        await upshift.controller.rollouts.look()
    async with start(RULES) as again:
        await again.controller.rollouts.look()
        assert await again.history() == []


async def test_the_first_start_and_an_emptied_redis_are_none(start: Start, agents: Agents) -> None:
    await agents.start("1")
    await agents.start("2")
    async with start(RULES) as upshift:
        await until_known(upshift, "2")
        upshift.redis.flushall()
        await agents.start("3")
        await until_known(upshift, "3")
        assert await upshift.history() == []
        said = (await upshift.ask("GET", "/api/v1/rollouts", params={"service": HOME})).body
        assert {it["came"] for it in said["versions"]} == {"learnt"}


async def test_a_rollout_in_another_environment_is_none_of_the_rule_s(
    start: Start, agents: Agents
) -> None:
    async with start(RULES) as upshift:
        await agents.start("1", **{"deployment.environment.name": "staging"})
        await until_known(upshift, "1")
        stored = json.loads(upshift.redis.get(KEYS.rollouts))
        stored["began"] -= 3_600_000  # nobody is learning any more
        upshift.redis.set(KEYS.rollouts, json.dumps(stored))
        await agents.start("2", **{"deployment.environment.name": "staging"})
        await until_known(upshift, "2")
        said = await explained(upshift)
        assert said["2"]["came"] == "rollout"
        (rule,) = said["2"]["rules"]
        assert rule["reason"] == ("environment=\"production\" is wanted, the rollout has 'staging'")
        assert await upshift.history() == []


async def explained(upshift: Running) -> dict[str, dict[str, object]]:
    answer = await upshift.ask("GET", "/api/v1/rollouts", params={"service": "checkout"})
    return {it["version"]: it for it in answer.body["versions"]}


async def test_what_is_explained_says_why_each_was_a_rollout_or_none(
    start: Start, agents: Agents
) -> None:
    async with start(RULES) as upshift:
        remember(upshift.redis, "1")
        await agents.start("1")
        _, new = await agents.start("2")
        await asyncio.to_thread(new.wait_for, 97)
        said = await explained(upshift)
        assert said["2"]["reason"].startswith("a rollout: it began to live")  # type: ignore[attr-defined]
        assert said["2"]["newest"]
        (outcome,) = said["2"]["outcomes"]
        assert outcome["outcome"] == "repeat"
        assert said["1"]["reason"].startswith("no rollout")  # type: ignore[attr-defined]


async def test_without_such_rules_nobody_looks_and_that_is_said(
    start: Start, agents: Agents
) -> None:
    async with start() as upshift:
        await agents.start("1")
        await upshift.controller.rollouts.look()
        assert upshift.redis.get(KEYS.rollouts) is None
        answer = await upshift.ask("GET", "/api/v1/rollouts", params={"service": "checkout"})
        assert "there are no rules of on_rollout" in answer.body["problem"]


@pytest.mark.parametrize("query", [{}, {"service": ""}, {"service": "service/"}])
async def test_a_service_has_to_be_named(start: Start, query: dict[str, str]) -> None:
    async with start(RULES) as upshift:
        assert (await upshift.ask("GET", "/api/v1/rollouts", params=query)).status == 422


async def test_what_others_have_put_there_is_skipped_and_costs_no_rollout(
    start: Start, agents: Agents
) -> None:
    async with start(RULES) as upshift:
        bad = [b"", b"\xff", b"{}", b"[]", b"7", b'{"service.name":1,"service.version":"2"}',
               b'{"service.name":"a\\nb","service.version":"2"}', b"x" * 5000, b"[" * 3000,
               b'{"service.name":"%s","service.version":"2"}' % (b"a" * 255)]  # fmt: skip
        now_ms = upshift.redis.time()[0] * 1000
        upshift.redis.zadd(KEYS.versions, dict.fromkeys(bad, now_ms))
        upshift.redis.zadd(KEYS.versions, {b"inf": float("inf"), b"-inf": float("-inf")})
        remember(upshift.redis, "1")
        await agents.start("1")
        _, new = await agents.start("2")
        await asyncio.to_thread(new.wait_for, 97)
        assert "upshift_task_restarts_total{" not in (await upshift.ask("GET", "/metrics")).body


@pytest.mark.parametrize("key", [KEYS.versions, KEYS.rollouts])
async def test_a_key_of_another_type_is_taken_away(start: Start, agents: Agents, key: str) -> None:
    async with start(RULES) as upshift:
        await agents.start("1")
        await until_known(upshift, "1")
        upshift.redis.delete(key)
        upshift.redis.hset(key, "a", "b")
        await agents.start("2")
        await until_known(upshift, "2")
        assert await upshift.history() == []


@pytest.mark.parametrize("stored", [b"garbage", b"{}", b'{"services":[[7]]}', b"[" * 100_000])
async def test_a_memory_that_cannot_be_read_is_made_anew(
    start: Start, agents: Agents, stored: bytes
) -> None:
    async with start(RULES) as upshift:
        upshift.redis.set(KEYS.rollouts, stored)
        await agents.start("1")
        await until_known(upshift, "1")
        assert await upshift.history() == []


async def test_a_look_asks_for_two_things_however_large_the_fleet(valkey: RedisServer) -> None:
    """The time, and which versions report; no status of any agent."""
    servers = Servers(valkey.url)
    rollouts = Rollouts(Versions(servers, KEYS), lambda: True, nobody)
    with valkey.client() as client:
        now_ms = client.time()[0] * 1000
        members = [
            json.dumps({"service.name": f"s{n % 300}", "service.version": f"{n}"})
            for n in range(900)
        ]
        client.zadd(KEYS.versions, dict.fromkeys(members, now_ms))
        client.hset(KEYS.agents(HOME), mapping={f"{n}": "{}" for n in range(1000)})
        await rollouts.look()
        client.config_resetstat()
        for _ in range(3):
            await rollouts.look()
        asked = {name: it["calls"] for name, it in client.info("commandstats").items()}
    await servers.aclose()
    asked.pop("cmdstat_config|resetstat", None)
    assert asked == {"cmdstat_time": 3, "cmdstat_zrange": 3}


async def nobody(_: Sequence[Trigger]) -> None:
    raise AssertionError("there is no rollout")


async def test_old_versions_are_forgotten(start: Start) -> None:
    async with start(RULES) as upshift:
        now_ms = upshift.redis.time()[0] * 1000
        upshift.redis.zadd(KEYS.versions, {"old": now_ms - 90_000_000, "new": now_ms, "far": 2**52})
        upshift.controller.versions._forget_at = 0.0
        await upshift.controller.versions.forget_old()
        assert upshift.redis.zrange(KEYS.versions, 0, -1) == ["new"]


def test_the_command_says_that_nobody_looks(cli: Run) -> None:
    ended = cli("explain", "--rollout", "checkout")
    assert (ended.code, ended.err) == (0, "")
    assert "there are no rules of on_rollout" in ended.out


@pytest.mark.parametrize("arguments", [[], ["alert.json", "--rollout", "checkout"]])
def test_the_command_takes_one_or_the_other(offline: Run, arguments: list[str]) -> None:
    ended = offline("explain", *arguments)
    assert ended.code == 2
    assert "name one: a file with alerts, or --rollout SERVICE" in ended.err
