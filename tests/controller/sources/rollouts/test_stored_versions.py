"""What is in Redis of versions: read in few commands, forgotten in time, and whoever wrote it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from controller.conftest import Start
from controller.sources.rollouts.living import HOME, KEYS, RULES, Agents, remember, until_known
from servers import RedisServer
from upshift_controller.sources.rollouts.watching import Rollouts
from upshift_controller.storage.connect import Servers
from upshift_controller.storage.reports.versions import Versions
from upshift_rules.model import Trigger


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
