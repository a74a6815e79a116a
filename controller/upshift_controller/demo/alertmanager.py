"""Alerts as Alertmanager delivers them: its payload of version 4, its headers, its fingerprints.

Field by field what Alertmanager 0.28 posts from a route with `group_by: [alertname]`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

from .errors import DemoFailed

HEADERS = {"User-Agent": "Alertmanager/0.28.1", "Content-Type": "application/json"}
PATH = "/api/v1/webhook/alertmanager"
NEVER = "0001-01-01T00:00:00Z"  # Go's zero time: an alert that fires has no end yet
_FNV_OFFSET, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3  # of FNV-1a, 64 bits


@dataclass(frozen=True, slots=True)
class Alert:
    labels: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None = None

    @property
    def status(self) -> str:
        return "firing" if self.ends_at is None else "resolved"


async def post(session: aiohttp.ClientSession, url: str, alert: Alert) -> dict[str, Any]:
    """Deliver one alert to the controller at `url`. Return what it did with it."""
    async with session.post(url + PATH, data=encoded(alert), headers=HEADERS) as response:
        if response.status != 200:
            raise DemoFailed(f"the webhook answered {response.status}: {await response.text()}")
        (account,) = (await response.json())["alerts"]
        return dict(account)


def encoded(alert: Alert) -> bytes:
    name = alert.labels["alertname"]
    annotations = {"summary": f"{name}: the demo says so"}
    body = {
        "receiver": "upshift",
        "status": alert.status,
        "alerts": [
            {
                "status": alert.status,
                "labels": dict(alert.labels),
                "annotations": annotations,
                "startsAt": _time(alert.starts_at),
                "endsAt": NEVER if alert.ends_at is None else _time(alert.ends_at),
                "generatorURL": "http://prometheus:9090/graph?g0.expr=demo",
                "fingerprint": fingerprint(alert.labels),
            }
        ],
        "groupLabels": {"alertname": name},
        "commonLabels": dict(alert.labels),
        "commonAnnotations": annotations,
        "externalURL": "http://alertmanager:9093",
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{name}"}}',
        "truncatedAlerts": 0,
    }
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def fingerprint(labels: Mapping[str, str]) -> str:
    """Of a label set, as Prometheus has it: FNV-1a over names and values, each closed by 0xFF."""
    state = _FNV_OFFSET
    for name in sorted(labels):
        for byte in name.encode() + b"\xff" + labels[name].encode() + b"\xff":
            state = (state ^ byte) * _FNV_PRIME % 2**64
    return f"{state:016x}"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
