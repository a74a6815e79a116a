"""Drivers, their exceptions, log handlers, stops and starts: each lease ends on time."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from redis import Redis

from servers import eventually, redis_server
from upshift_agent.contract import Keys, decode_plan
from upshift_agent.testing import FakeController

from ..parts.agents import Agents, agents
from ..parts.controllers import monotonic_of
from ..parts.ends import PROMISED_S, Ends, ends
from ..table import Row, Size
from .hostile import RAISED, RETURNED
from .hostile_process import STOPPED

HOME = "service/checkout"
BOOST_S = 2.0


def hostile(folder: Path, size: Size) -> Row:
    """An agent for each kind of driver in a process with each kind of log; boosts for all."""
    boosts, logs = size.of(25, 2), ("raises", "hangs")[: size.of(2, 1)]
    names = [*RAISED, *RETURNED]
    expire_at_s: dict[str, float] = {}
    with (
        redis_server(folder / "redis") as server,
        Redis.from_url(server.url) as client,
        ExitStack() as stack,
    ):
        controller = FakeController(server.url)
        stack.callback(controller.close)
        fleets = [
            stack.enter_context(
                agents(
                    folder / log,
                    server.url,
                    *names,
                    STOPPED,
                    program=("-m", "reliability.drivers.hostile_process"),
                    UPSHIFT_TEST_LOG=log,
                )
            )
            for log in logs
        ]
        for _ in range(boosts):
            controller.boost(HOME, hz=100, for_s=BOOST_S)
            plan = decode_plan(client.get(Keys().plan(HOME)) or b"")
            newest = plan.leases[-1]
            expire_at_s[newest.id] = monotonic_of(server.url, newest.expires_at_ms)
            eventually(lambda: all(_all(it, names, 100) for it in fleets), within_s=10)
            eventually(lambda: all(_all(it, [*names, STOPPED], 19) for it in fleets), within_s=30)
    off_s, slow_s, starts, most = list[float](), list[float](), 0, 0
    for fleet in fleets:
        others = [call for call in fleet.calls if call.instance != STOPPED]
        off_s += ends(others, expire_at_s).off_s
        began, inside = _turns(fleet)
        starts, most = starts + began, max(most, inside)
        slow_s += [_slow_late_s(fleet, *it) for it in expire_at_s.items()]
    left = Ends(off_s)
    broken = left.broken(boosts * len(names) * len(logs))
    broken += [f"the slow driver was {it:.1f} s late" for it in slow_s if it > PROMISED_S]
    if most > 1:
        broken.append(f"{most} threads were in one driver at once")
    return Row(
        fault="drivers that raise and return anything, slow ones stopped and started, and a log "
        "whose handler raises or hangs",
        injected=len(expire_at_s) * (len(names) + 1) * len(logs),
        promised=f"each lease ends ≤ {PROMISED_S:g} s from its expiry; one thread in a driver",
        worst=f"{left.worst}; {most} in a driver at once, over {starts} calls of one that is "
        f"stopped and started, and late by {max(0, *slow_s) * 1000:.0f} ms at most",
        broken=broken,
    )


def _all(fleet: Agents, names: list[str], hz: int) -> bool:
    now = fleet.hz()
    return all(now.get(name) == hz for name in names)


def _events(fleet: Agents) -> list[dict[str, Any]]:
    """When the slow driver was entered and left, and why."""
    lines = fleet.output.with_suffix(".turns").read_text().splitlines()
    return [json.loads(line) for line in lines]


def _turns(fleet: Agents) -> tuple[int, int]:
    """How often the slow driver was entered, and by how many at once at the most."""
    inside = most = entered = 0
    for event in _events(fleet):
        enters = event["what"] != "out"
        inside += 1 if enters else -1
        entered += enters
        most = max(most, inside)
    return entered, most


def _slow_late_s(fleet: Agents, lease: str, expires_at_s: float) -> float:
    """How long after its end the slow driver was at 100 Hz for `lease` still: until it was told
    another frequency, or closed."""
    calls = fleet.of(STOPPED)
    told = [at for at, call in enumerate(calls) if call.lease == lease]
    if not told:
        return 0.0  # it was stopped all the while
    over = [call.at_s for call in calls[told[-1] + 1 :]]
    over += [event["at_s"] for event in _events(fleet) if event["what"] == "close"]
    return min(it for it in over if it > calls[told[-1]].at_s) - expires_at_s
