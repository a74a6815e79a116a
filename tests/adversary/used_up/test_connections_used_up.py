"""Whoever looks, and however many they are, keeps no commit waiting."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace

import pytest

from controller.conftest import PRODUCTION, WEBHOOK, Start, alert, notification
from upshift_agent.contract import Keys
from upshift_controller.web import events
from upshift_controller.web.auth import Tokens

KEYS = Keys()


async def test_all_streams_share_one_reader_and_are_bounded(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start() as running:
        streams = [await running.client.get("/api/v1/events") for _ in range(events.MAX_STREAMS)]
        assert {it.status for it in streams} == {200}
        refused = await running.client.get("/api/v1/events")
        assert refused.status == 429
        assert "end some first" in (await refused.text())
        assert running.redis.info("clients")["connected_clients"] < 20
        assert (await running.notify(alert())).status == 200
        for stream in streams:
            async with asyncio.timeout(5):
                told = b""
                while b"granted" not in told:
                    told += await stream.content.readline()
            stream.close()


async def test_a_stream_ends_when_its_token_is_revoked(start: Start) -> None:
    async with start() as running:
        stream = await running.client.get("/api/v1/events")
        assert stream.status == 200
        # As after a reload: another token is in force, and this one is none.
        in_force = running.controller._in_force
        in_force.now = replace(in_force.now, tokens=Tokens(certificates=True))
        async with asyncio.timeout(5):
            await stream.content.read()
        stream.close()


async def test_the_newest_of_many_busy_targets_are_found(start: Start) -> None:
    """200 targets with 1,000 entries each, of which one has most of the newest."""
    async with start() as running:
        await running.notify(alert())
        entry = {"event": "granted", "reason": "r"}
        pipe = running.redis.pipeline(transaction=False)
        for number in range(200):
            key = KEYS.history(f"service/t{number}")
            pipe.zadd(KEYS.targets, {f"service/t{number}": 2**45 + number})
            for at in range(1000):
                at_ms = 1_000_000_000_000 + at * (1000 if number == 7 else 1)
                fields = {"entry": json.dumps(entry | {"at_ms": at_ms})}
                pipe.xadd(key, fields, id=f"{at_ms * 1000}-0")
            pipe.execute()
        answer = await running.ask("GET", "/api/v1/history?limit=1000")
        assert answer.status == 200
        entries = answer.body["entries"]
        assert len(entries) == 1000
        assert sum(it["target"] == "service/t7" for it in entries) >= 990
        moments = [it["at_ms"] for it in entries]
        assert moments == sorted(moments, reverse=True)


async def test_a_body_of_10_000_targets_goes_through(start: Start) -> None:
    async with start(
        "limits: {max_new_targets: 20000, max_boosted_agents: unlimited}\n"
    ) as running:
        alerts = [
            alert(PRODUCTION | {"service_name": f"s{number}"}, fingerprint=f"{number:016x}")
            for number in range(10_000)
        ]
        body = io.BytesIO(json.dumps(notification(*alerts)).encode())
        json_type = {"Content-Type": "application/json"}
        answer = await running.ask("POST", WEBHOOK, data=body, headers=json_type)
        assert answer.status == 200
        assert running.redis.zcard(KEYS.due) == 10_000
