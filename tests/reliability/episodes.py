"""More alerts than are remembered, told again and again, and `startsAt` moves."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from servers import eventually, redis_server

from .controllers import Controller, controller, firing
from .table import Row, Size

MAX_S = 8.0
RULES = f"""
sampling:
  on_alert:
    - trigger: high_cpu
      frequency: 100
      duration: 3s
      max_duration: {MAX_S:g}s
      on_resolved: revert
"""
#: From the first webhook to the grant, and from an expiry to its record.
SLACK_S = 2.0
BODY = 500


def storm(folder: Path, size: Size) -> Row:
    """5,000 alerts on one target, in any order, all of them repeated for as long as it takes."""
    services = [f"s{number}" for number in range(size.of(6, 1))]
    count = size.of(5_000, 1_100)
    worst_s, told, broken = 0.0, 0, []
    with (
        redis_server(folder / "redis") as server,
        controller(folder / "controller", server.url, rules=RULES) as upshift,
    ):
        for service in services:
            alerts: list[dict[str, Any]] = []
            began = time.monotonic()
            while (passed_s := time.monotonic() - began) < MAX_S + 2 * SLACK_S:
                # The last new one comes shortly before the boost is as long as it may be.
                so_far = min(count, 1 + round(count * passed_s / (MAX_S - 2)))
                alerts += [firing(service=service) for _ in range(so_far - len(alerts))]
                told += _tell(upshift, alerts)
            lasted_s = _boosts(upshift, service)
            worst_s = max([worst_s, *lasted_s])
            if len(lasted_s) != 1:
                broken.append(f"{service} had {len(lasted_s)} boosts")
            broken += [f"a boost of {it:.1f} s" for it in lasted_s if it > MAX_S + SLACK_S]
            events = {entry["event"] for entry in upshift.history(f"service/{service}")}
            if "reverted" in events:
                broken.append(f"the boost of {service} was reverted while alerts fired")
    return Row(
        fault=f"{count:,} alerts on a target, repeated, startsAt moving",
        injected=told,
        promised=f"one boost, which ends by max_duration ({MAX_S:g} s)",
        worst=f"{len(services)} boosts, the longest {worst_s:.1f} s",
        broken=broken,
    )


def _tell(upshift: Controller, alerts: list[dict[str, Any]]) -> int:
    """Everyone once, in any order, and every one may have moved."""
    told = random.sample(alerts, len(alerts))
    for at in range(0, len(told), BODY):
        body = [_moved(it) for it in told[at : at + BODY]]
        upshift.notify(*body, timeout_s=30).raise_for_status()
    return len(alerts)


def _moved(alert: dict[str, Any]) -> dict[str, Any]:
    """As of the other Prometheus, which saw it up to 15 s before."""
    began = datetime.fromisoformat(alert["startsAt"]).timestamp() - random.choice([0, 1, 15])
    return alert | {"startsAt": datetime.fromtimestamp(began, UTC).isoformat()}


def _boosts(upshift: Controller, service: str) -> list[float]:
    """How long each boost lasted, once all have ended."""
    target = f"service/{service}"
    eventually(lambda: not upshift.target(target)["leases"], within_s=MAX_S + 10)
    history = upshift.history(target)
    began = {e["lease"]["id"]: e["at_ms"] for e in history if e["event"] == "granted"}
    ended = {e["lease"]["id"]: e["at_ms"] for e in history if e["event"] in ("expired", "reverted")}
    return [(ended[lease] - at_ms) / 1000 for lease, at_ms in began.items()]
