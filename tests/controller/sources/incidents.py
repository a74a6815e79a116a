"""Real Alertmanagers that list alerts, and controllers that read them often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import requests

from controller.conftest import Running
from servers import HttpServer
from upshift_controller import watches
from upshift_controller.sources.alertmanager.lists import Lists

CONFIG = """
route: {{receiver: upshift, group_by: ['...'], group_wait: 0s, group_interval: 1s}}
receivers:
  - {{name: upshift, webhook_configs: [{{url: "http://127.0.0.1:{port}/webhook"}}]}}
inhibit_rules:
  - {{source_matchers: [severity=outage], target_matchers: [severity=page], equal: [dc]}}
"""
RULES = """
alertmanager: {{urls: [{urls}]}}
limits: {{max_boosted_agents: unlimited}}
sampling:
  on_alert:
    - {{trigger: high_cpu, frequency: 99, duration: 1h, on_resolved: revert}}
"""
#: How long an alert has to be missing, here.
WAIT_S = 3.0


def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Controllers look often, and an absence is short."""
    monkeypatch.setattr(watches, "Lists", partial(Lists, every_s=0.2, wait_s=WAIT_S))


def rules(*servers: HttpServer) -> str:
    return RULES.format(urls=", ".join(it.url for it in servers))


def post(server: HttpServer, *services: str, lasts_s: int = 3600, **labels: str) -> None:
    """As Prometheus sends alerts: with the same start each time."""
    ends = datetime.now(UTC) + timedelta(seconds=lasts_s)
    rows = [
        {
            "labels": {"alertname": "HighCPU", "service_name": it} | labels,
            "startsAt": "2026-01-31T12:00:00Z",
            "endsAt": ends.isoformat(),
        }
        for it in services
    ]
    requests.post(f"{server.url}/api/v2/alerts", json=rows, timeout=5).raise_for_status()


def silence(server: HttpServer, service: str) -> Callable[[], object]:
    """Return what ends it."""
    now = datetime.now(UTC)
    matcher = {"name": "service_name", "value": service, "isRegex": False, "isEqual": True}
    body = {"matchers": [matcher], "createdBy": "ann", "comment": "c"}
    body |= {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    url = f"{server.url}/api/v2/silence"
    made = requests.post(f"{url}s", json=body, timeout=5)
    made.raise_for_status()
    return lambda: requests.delete(f"{url}/{made.json()['silenceID']}", timeout=5)


async def until(holds: Callable[[], Awaitable[Any]], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not await holds():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.05)


async def boosted(running: Running, service: str) -> bool:
    return bool(await running.leases(f"service/{service}"))


async def happened(running: Running, service: str, *events: str) -> bool:
    return await running.history(f"service/{service}") == [*events]


async def stays(holds: Callable[[], Awaitable[Any]], for_s: float) -> None:
    until_s = time.monotonic() + for_s
    while time.monotonic() < until_s:
        assert await holds()
        await asyncio.sleep(0.1)
