"""A week of alerts as `upshift serve --record` keeps it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random

WEEK_S = 7 * 24 * 3600
#: 2026-01-01T00:00:00Z
BEGAN_S = 1_767_225_600
NAMES = ("HighCPU", "HighLatency", "DiskFull", "Watchdog")
SERVICES = 200
PODS = 20


def write(file: Path, alerts: int) -> None:
    """Each fires once in that week, and resolves; each is told twice, in a webhook of its own.

    So a pod's alert fires again and again, as it does where somebody is on call.
    """
    random, lines = Random(1), list[tuple[int, str]]()
    for number in range(alerts):
        began_s = random.randrange(WEEK_S)
        ended_s = began_s + random.randrange(60, 3600)
        service = random.randrange(SERVICES)
        labels = {
            "alertname": random.choice(NAMES),
            "service": f"s{service}",
            "namespace": random.choice(["shop", "bank"]),
            "environment": random.choice(["production", "staging"]),
            "pod": f"s{service}-{random.randrange(PODS)}",
            "number": str(number % 5),
        }
        alert = {"labels": labels, "startsAt": _moment(began_s), "fingerprint": f"{number:016x}"}
        lines.append((began_s, _line(began_s, alert | {"status": "firing"})))
        over = {"status": "resolved", "endsAt": _moment(ended_s)}
        lines.append((ended_s, _line(ended_s, alert | over)))
    file.write_text("".join(line for _, line in sorted(lines)))


def _line(at_s: int, alert: object) -> str:
    webhook = {"version": "4", "alerts": [alert]}
    return json.dumps({"received_at": _moment(at_s), "webhook": webhook}) + "\n"


def _moment(at_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BEGAN_S + at_s))
