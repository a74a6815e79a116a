"""Real Alertmanagers as a level: webhooks that are lost, restarts, a pair, many controllers."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from controller.conftest import Running, Start, alert
from controller.sources.incidents import (
    CONFIG,
    WAIT_S,
    boosted,
    happened,
    post,
    quickly,
    rules,
    stays,
    until,
)
from servers import alertmanager, free_port

pytestmark = pytest.mark.servers("prometheus-alertmanager")
#: A cluster's members do not wait for each other before they notify.
SETTLED = "--cluster.settle-timeout=0s"


async def test_a_webhook_that_is_blocked_is_made_good_and_grants_nothing_when_it_comes(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly(monkeypatch)
    port, came = free_port(), list[Any]()
    with alertmanager(tmp_path / "am", CONFIG.format(port=port)) as server:
        await asyncio.to_thread(post, server, "a")
        async with start(rules(server)) as running:  # it fired before
            await until(lambda: boosted(running, "a"))
            metrics = (await running.ask("GET", "/metrics")).body
            assert 'upshift_alerts_total{outcome="recovered"} 1.0' in metrics
            assert f'{{alertmanager="{server.url}",outcome="read"}}' in metrics
            await asyncio.to_thread(post, server, "b")
            await until(lambda: boosted(running, "b"))

            async def webhook(request: web.Request) -> web.Response:
                answer = await running.ask(
                    "POST", "/api/v1/webhook/alertmanager", json=await request.json()
                )
                came.append(answer.body["counts"])
                return web.Response()

            unblocked = web.Application()
            unblocked.router.add_post("/webhook", webhook)
            async with TestServer(unblocked, port=port):
                await until(lambda: asyncio.sleep(0, len(came) >= 2), within_s=30)
            assert {"repeat"} == {name for counts in came for name in counts}
            for service in "ab":
                assert await running.history(f"service/{service}") == ["granted"]


async def test_a_restart_in_the_middle_of_an_incident_costs_no_boost(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly(monkeypatch)
    config = CONFIG.format(port=unused_port())
    with alertmanager(tmp_path / "am", config) as server:
        await asyncio.to_thread(post, server, "a")
        async with start(rules(server)) as running:
            await until(lambda: boosted(running, "a"))
            await asyncio.sleep(WAIT_S + 1)  # it has been up for long
            server.stop()
            server.start()
            assert server.get("/api/v2/alerts") == []
            await stays(lambda: boosted(running, "a"), WAIT_S - 1.5)
            await asyncio.to_thread(post, server, "a")  # as Prometheus does each minute
            await stays(lambda: boosted(running, "a"), WAIT_S + 1)
            assert await running.history("service/a") == ["granted"]


async def test_what_is_missing_for_long_is_reverted_and_has_what_is_left_when_it_is_back(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly(monkeypatch)
    config = CONFIG.format(port=unused_port())
    with alertmanager(tmp_path / "am", config) as server:
        await asyncio.to_thread(post, server, "a")
        async with start(rules(server)) as running:
            await until(lambda: boosted(running, "a"))
            (lease,) = await running.leases("service/a")
            server.stop()
            server.start()
            await until(lambda: happened(running, "a", "granted", "reverted"))
            await asyncio.to_thread(post, server, "a")
            await until(lambda: boosted(running, "a"))
            (again,) = await running.leases("service/a")
            assert again["expires_at_ms"] == lease["expires_at_ms"]


async def test_while_firing_is_renewed_with_stock_repeat_interval(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly(monkeypatch)
    renewed = "on_resolved: keep, while_firing: true, max_duration: 1h"
    with alertmanager(tmp_path / "am", CONFIG.format(port=unused_port())) as server:
        await asyncio.to_thread(post, server, "a")
        text = rules(server).replace(
            "duration: 1h, on_resolved: revert", f"duration: 3s, {renewed}"
        )
        async with start(text) as running:
            await until(lambda: boosted(running, "a"))
            await stays(lambda: boosted(running, "a"), 7)
            events = await running.history("service/a")
            assert events == ["granted", *["renewed"] * (len(events) - 1)]
            assert 3 <= len(events) <= 8, "each is for a third of the duration at least"


async def test_of_a_pair_one_may_restart_and_one_may_be_away(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly(monkeypatch)
    config, gossip = CONFIG.format(port=unused_port()), f"127.0.0.1:{free_port()}"
    peer, other = f"--cluster.peer={gossip}", f"127.0.0.1:{free_port()}"
    with (
        alertmanager(tmp_path / "one", config, SETTLED, listen=gossip) as one,
        alertmanager(tmp_path / "two", config, SETTLED, peer, listen=other) as two,
    ):
        for it in (one, two):
            await asyncio.to_thread(post, it, "a")
        async with start(rules(one, two)) as running:
            await until(lambda: boosted(running, "a"))
            one.stop()
            one.start()
            await stays(lambda: boosted(running, "a"), WAIT_S + 2)  # the other one lists it
            two.stop()
            await stays(lambda: boosted(running, "a"), WAIT_S + 2)  # which nobody can read
            (said,) = (await running.ask("GET", "/api/v1/targets")).body["warnings"]
            assert two.url in said
            two.start()
            await until(lambda: happened(running, "a", "granted", "reverted"))


async def test_several_controllers_grant_each_alert_once(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly(monkeypatch)
    services = [f"s{n}" for n in range(20)]
    with alertmanager(tmp_path / "am", CONFIG.format(port=unused_port())) as server:
        async with AsyncExitStack() as stack:
            three = [await stack.enter_async_context(start(rules(server))) for _ in range(3)]
            await asyncio.to_thread(post, server, *services)
            for service in services:
                await until(lambda service=service: boosted(three[0], service))
            await asyncio.sleep(1)
            for service in services:
                assert await happened(three[1], service, "granted")
            told = [(await it.ask("GET", "/metrics")).body for it in three]
            counts = [re.search('outcome="recovered"} ([0-9.]+)', it) for it in told]
            assert sum(float(it[1]) for it in counts if it) == len(services)


async def was_read(running: Running) -> bool:
    return 'outcome="read"} 1.0' in (await running.ask("GET", "/metrics")).body


async def test_what_a_webhook_left_out_is_read(start: Start, tmp_path: Path) -> None:
    with alertmanager(tmp_path / "am", CONFIG.format(port=unused_port())) as server:
        async with start(rules(server)) as running:
            await until(lambda: was_read(running))
            await asyncio.to_thread(post, server, "a", "b", "c")
            first, *_ = server.get("/api/v2/alerts")
            told = alert(first["labels"], fingerprint=first["fingerprint"])
            answer = await running.notify(told, truncatedAlerts=2)
            assert answer.body["counts"] == {"granted": 1}
            assert answer.body["truncated"] == 2
            for service in "abc":
                await until(lambda service=service: boosted(running, service))
            metrics = (await running.ask("GET", "/metrics")).body
            assert "upshift_truncated_alerts_total 2.0" in metrics
            assert 'upshift_alerts_total{outcome="recovered"} 2.0' in metrics


async def test_without_an_alertmanager_what_is_told_still_applies(start: Start) -> None:
    async with start() as running:
        answer = await running.notify(alert(), truncatedAlerts=5)
        assert answer.body["counts"] == {"granted": 1}
        assert (await running.ask("GET", "/api/v1/targets")).body["warnings"] == []
