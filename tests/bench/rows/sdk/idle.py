"""What the SDK costs a process that it does nothing for, at rest."""

from __future__ import annotations

import time
from functools import partial

from ...measuring.processes import Usage, connections, resident_mib, usage
from ...measuring.row import Bound, Goal, Line, Row, Sampler, at_most
from ...measuring.side import Side


def product(side: Side) -> Sampler:
    assert side.controller  # it is there, as it would be
    return _at_rest(side, side.product("idle.py", side.redis.url))


def floor(side: Side) -> Sampler:
    return _at_rest(side, side.floor("idle.py", side.redis.url))


def _at_rest(side: Side, command: list[str]) -> Sampler:
    pid = side.start(command)[0].pid
    time.sleep(side.of(2.0, tiny=0.1))  # until its start is over: only rest is measured
    return partial(_sample, side, pid, usage(pid), time.monotonic())


def _sample(side: Side, pid: int, before: Usage, began: float) -> tuple[float, ...]:
    time.sleep(max(0.0, began + side.of(40.0, tiny=0.3) - time.monotonic()))
    after, took_s = usage(pid), time.monotonic() - began
    return (
        100 * (after.cpu_s - before.cpu_s) / took_s,
        (after.wakeups - before.wakeups) / took_s,
        resident_mib(pid),
        connections(pid, side.redis.port),
    )


MEMORY = Goal("≤ 3 MB over the floor", (Bound("over", 3 / 1.048576),))
LINES = [
    Line("agent, idle: CPU of one core", "%", at_most(0.1, "%")),
    Line("agent, idle: wake-ups", "per s"),
    Line("agent, idle: resident memory", "MiB", MEMORY),
    Line("agent, idle: connections", "count", at_most(2, "connections")),
]
ROWS = [Row(lines=LINES, product=product, beside=floor, seconds=0, waits=True)]
