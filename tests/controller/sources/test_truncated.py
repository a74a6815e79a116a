"""Alerts that a real Alertmanager left out of its webhook are made good from its API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import requests
from aiohttp.test_utils import unused_port

from controller.conftest import Start, alert
from servers import HttpServer, alertmanager, eventually
from upshift_agent.contract import Keys

CONFIG = """
route:
  receiver: upshift
  group_by: ['...']
  group_wait: 1s
  group_interval: 1s
receivers:
  - name: upshift
    webhook_configs:
      - url: http://127.0.0.1:{port}/nowhere
"""


@pytest.mark.servers("prometheus-alertmanager")
async def test_truncated_alerts_are_counted_and_read_from_alertmanager(
    start: Start, tmp_path: Path
) -> None:
    config = CONFIG.format(port=unused_port())
    with alertmanager(tmp_path / "alertmanager", config) as server:
        await asyncio.to_thread(_fire, server)
        told = eventually(lambda: server.get("/api/v2/alerts?active=true"))
        assert len(told) == 3
        first = alert(told[0]["labels"], fingerprint=told[0]["fingerprint"])
        async with start(f"alertmanager: {server.url}\n") as running:
            answer = await running.notify(first, truncatedAlerts=2)
            assert answer.body["counts"] == {"granted": 3}
            assert answer.body["truncated"] == 2
            for i in range(3):
                assert running.redis.exists(Keys().plan(f"service/s{i}"))
            metrics = (await running.ask("GET", "/metrics")).body
            assert "upshift_truncated_alerts_total 2.0" in metrics


async def test_without_an_alertmanager_url_the_rest_still_applies(start: Start) -> None:
    async with start() as running:
        answer = await running.notify(alert(), truncatedAlerts=5)
        assert answer.body["counts"] == {"granted": 1}


async def test_an_alertmanager_that_does_not_answer_spoils_nothing(start: Start) -> None:
    async with start(f"alertmanager: http://127.0.0.1:{unused_port()}\n") as running:
        answer = await running.notify(alert(), truncatedAlerts=5)
        assert (answer.status, answer.body["counts"]) == (200, {"granted": 1})


def _fire(server: HttpServer) -> None:
    rows = [{"labels": {"alertname": "HighCPU", "service_name": f"s{i}"}} for i in range(3)]
    requests.post(f"{server.url}/api/v2/alerts", json=rows, timeout=5).raise_for_status()
