"""Several controllers keep one limit together."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from controller.conftest import WEBHOOK, Start, notification
from controller.limiting import about, limited
from controller.test_serve import serve
from servers import RedisServer
from upshift_controller.leasing import requests


async def race(url: str, alerts: list[dict[str, Any]]) -> list[str]:
    """Every alert in a webhook of its own, all at once."""
    connector = aiohttp.TCPConnector(limit=200)
    async with aiohttp.ClientSession(url, connector=connector) as session:

        async def one(body: dict[str, Any]) -> str:
            async with session.post(WEBHOOK, json=notification(body)) as answer:
                document = await answer.json()
                assert answer.status == 200, document
                return str(document["alerts"][0]["outcomes"][0]["outcome"])

        return list(await asyncio.gather(*(one(body) for body in alerts)))


async def test_3_controllers_with_1000_grants_each_never_pass_a_limit(
    valkey: RedisServer, tmp_path: Path
) -> None:
    """Half of the alerts reach all three, as from clustered Alertmanagers; half only one.

    So 2,000 boosts are asked for. The limits are not far below: the race goes on for long.
    """
    agents, per_hour = 1500, 800
    rules = ("high_cpu", "high_latency")
    config = tmp_path / "upshift.yaml"
    config.write_text(limited(max_boosted_agents=agents, max_boosts_per_hour=per_hour))

    def alerts(controller: int) -> list[dict[str, Any]]:
        names = [f"shared-{k}" if k % 4 < 2 else f"only-{controller}-{k}" for k in range(1000)]
        return [about(name, rules[k % 2]) for k, name in enumerate(names)]

    with ExitStack() as stack:
        options = ("--redis", valkey.url, "--config", str(config))
        controllers = [stack.enter_context(serve(tmp_path / f"{i}", *options)) for i in range(3)]
        told = await asyncio.gather(*(race(it.url, alerts(i)) for i, it in enumerate(controllers)))
    answers = [it for row in told for it in row]
    assert len(answers) == 3000
    # No boost ends meanwhile, so what is there in the end is the most that there ever was.
    with valkey.client() as client:
        plans = [json.loads(client.get(key)) for key in client.keys("*:plan")]
    boosts = [it["because"]["rule"] for plan in plans for it in plan["leases"]]
    assert max(boosts.count(rule) for rule in rules) <= per_hour
    assert len(boosts) == agents, "all of the budget is used, and none of it lost"
    assert answers.count("granted") == agents
    assert set(answers) <= {"granted", "refused", "repeat"}


LIVE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local live = 0
for _, key in ipairs(redis.call('KEYS', '*:plan')) do
  for _, lease in ipairs(cjson.decode(redis.call('GET', key))['leases']) do
    if lease['expires_at_ms'] > now then live = live + 1 end
  end
end
return live
"""


async def test_while_boosts_end_and_others_begin_no_moment_has_too_many(
    start: Start, valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MAX_BATCH", 5)  # more to race for
    most = 5
    wanted = 3 * most  # so often the budget is used up
    limits = limited(max_boosted_agents=most).replace("10m", "1s")
    counted: list[int] = []
    granted = 0
    async with (
        start(limits) as one,
        start(limits) as two,
        start(limits) as three,
        Redis.from_url(valkey.url) as watcher,
    ):

        async def watch() -> None:
            while granted < wanted:
                counted.append(await watcher.eval(LIVE, 0))  # type: ignore[misc]
                await asyncio.sleep(0.005)

        watching = asyncio.create_task(watch())
        number = 0
        while granted < wanted:
            number += 1
            answers = await asyncio.gather(
                *(
                    it.notify(about(f"s{number}-{i}-{k}"))
                    for i, it in enumerate((one, two, three))
                    for k in range(20)
                )
            )
            granted += sum(it.body["counts"].get("granted", 0) for it in answers)
        await watching
    assert max(counted) == most
