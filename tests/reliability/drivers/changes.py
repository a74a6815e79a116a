"""Far more changes than a driver can make: the newest wins."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from contract.statuses import applied_hz
from upshift_agent.contract import Cause, Keys, Lease, Plan, encode_plan

from ..table import Row, Size
from .failing import HOME, scene


def many_changes(folder: Path, size: Size) -> Row:
    """10,000 plans pushed within a second."""
    times = size.of(3, 1)
    changes = size.of(10_000, 3_000)
    took_s: list[float] = []
    calls: list[int] = []
    pushed_s: list[float] = []
    with scene(folder, "works", 0.01) as now, now.redis.client() as client:
        for number in range(times):
            before = len(now.application.frequencies)
            last_hz = 150 + number
            plans = _plans(now.controller.now_ms(), changes, last_hz)
            pipeline = client.pipeline(transaction=False)
            pipeline.set(Keys().plan(HOME), plans[-1])
            for plan in plans:
                pipeline.publish(Keys().changes(HOME), plan)
            began = time.monotonic()
            pipeline.execute()
            pushed_s.append(time.monotonic() - began)
            until = now.until(
                lambda it, hz=last_hz: it.state == "applied" and applied_hz(it) == hz,
                within_s=60,
            )
            took_s.append(until - began)
            steps = now.application.frequencies[before:]
            calls.append(len(steps))
            assert steps[-1] == last_hz
        worst, broken = now.stalls()
    if max(calls) > max(took_s) / 0.01 + 1:
        broken.append(f"{max(calls)} calls of the driver, which takes 10 ms")
    return Row(
        fault=f"{changes:,} plan changes within {max(pushed_s):.1f} s",
        injected=times * changes,
        promised="newest wins, those between skipped",
        worst=f"newest applied after {max(took_s):.1f} s, {max(calls)} driver calls; {worst}",
        broken=broken,
    )


def _plans(now_ms: int, changes: int, last_hz: int) -> list[str]:
    lease = Lease(
        id="boost/0",
        kind="boost",
        hz=last_hz,
        since_ms=now_ms,
        expires_at_ms=now_ms + 600_000,
        cause=Cause({"by": "test"}),
    )
    plan = Plan(target=HOME, rev=now_ms * 1000, now_ms=now_ms, leases=(lease,))
    return [
        encode_plan(
            replace(
                plan,
                rev=plan.rev + number,
                leases=(
                    replace(lease, hz=last_hz if number == changes - 1 else 20 + number % 100),
                ),
            )
        )
        for number in range(changes)
    ]
