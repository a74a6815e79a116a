"""More alerts than are remembered, told again and again, and `startsAt` moves."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from servers import eventually, redis_server

from ..parts.controllers import Controller, controller, firing
from ..table import Row, Size

RULES = """
sampling:
  on_alert:
    - trigger: high_cpu
      frequency: 100
      duration: 2s
      max_duration: {max_s}s
      on_resolved: revert
      while_firing: true
"""
#: From the first webhook to the grant, and from an expiry to its record.
SLACK_S = 1.0
BODY = 500


def storm(folder: Path, size: Size) -> Row:
    """5,000 alerts on one target, in any order, all of them repeated for as long as it takes."""
    services = [f"s{number}" for number in range(size.of(6, 1))]
    count, max_s = size.of(5_000, 1_100), size.of(8, 4)
    worst_s, told, broken = 0.0, 0, []
    with (
        redis_server(folder / "redis") as server,
        controller(folder / "controller", server.url, rules=RULES.format(max_s=max_s)) as upshift,
    ):
        for service in services:
            alerts: list[dict[str, Any]] = []
            began = time.monotonic()
            while (passed_s := time.monotonic() - began) < max_s + SLACK_S:
                # New ones come as long as the boost runs: after that they get one of their own.
                if passed_s < max_s - SLACK_S:
                    due = round(count * min(1, passed_s / (max_s - 2 * SLACK_S)))
                    new = [firing(service=service) for _ in range(max(1, due - len(alerts)))]
                    told += _tell(upshift, new)
                    alerts += new
                told += _tell(upshift, alerts)
            lasted_s = _boosts(upshift, service, max_s)
            worst_s = max([worst_s, *lasted_s])
            if len(lasted_s) != 1:
                broken.append(f"{service} had {len(lasted_s)} boosts")
            broken += [f"a boost of {it:.1f} s" for it in lasted_s if it > max_s + SLACK_S]
            events = {entry["event"] for entry in upshift.history(f"service/{service}")}
            if "reverted" in events:
                broken.append(f"the boost of {service} was reverted while alerts fired")
    return Row(
        fault=f"{count:,} alerts on a target, repeated, startsAt moving",
        injected=told,
        promised=f"one boost, which ends by max_duration ({max_s} s)",
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


def _boosts(upshift: Controller, service: str, max_s: int) -> list[float]:
    """How long each boost lasted, once all have ended."""
    target = f"service/{service}"
    eventually(lambda: not upshift.target(target)["leases"], within_s=max_s + 10)
    history = upshift.history(target)
    began = {e["lease"]["id"]: e["at_ms"] for e in history if e["event"] == "granted"}
    ended = {e["lease"]["id"]: e["at_ms"] for e in history if e["event"] in ("expired", "reverted")}
    return [(ended[lease] - at_ms) / 1000 for lease, at_ms in began.items()]
