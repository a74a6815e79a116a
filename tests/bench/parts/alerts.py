"""Bodies as Alertmanager sends them, version 4, and what the floor gets instead."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

WEBHOOK = "/api/v1/webhook/alertmanager"
_numbers = count(1)


def alert(service: str, name: str = "HighCPU", instance: str = "a", **more: Any) -> dict[str, Any]:
    """A new episode each time."""
    return {
        "status": "firing",
        "labels": {
            "alertname": name,
            "service_name": service,
            "environment": "production",
            "instance": instance,
            "severity": "page",
        },
        "annotations": {"summary": f"{name} on {instance} of {service}"},
        "startsAt": "2026-01-31T12:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=load+%3E+0.8&g0.tab=1",
        "fingerprint": f"{next(_numbers):016x}",
    } | more


def notification(alerts: Sequence[dict[str, Any]]) -> bytes:
    labels = alerts[0]["labels"]
    document = {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{labels["alertname"]}"}}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "upshift",
        "groupLabels": {"alertname": labels["alertname"]},
        "commonLabels": labels if len(alerts) == 1 else {"alertname": labels["alertname"]},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": list(alerts),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def one(service: str, **more: Any) -> bytes:
    return notification([alert(service, **more)])


def group(services: Sequence[str], instances: int) -> bytes:
    return notification(
        [alert(service, instance=f"i-{n}") for service in services for n in range(instances)]
    )


def shift(service: str) -> tuple[bytes, bytes]:
    """One alert that fires and resolves: up to 200 Hz, and down again."""
    fires = alert(service, name="BenchShift")
    resolves = fires | {"status": "resolved", "endsAt": "2026-01-31T12:05:00Z"}
    return notification([fires]), notification([resolves])
