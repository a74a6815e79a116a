"""What a host agent costs its host while nothing is profiled."""

from __future__ import annotations

import os
import time
from functools import partial

from ..measuring.processes import Usage, resident_mib, usage
from ..measuring.row import Line, Row, Sampler, at_most
from ..measuring.side import Side


def at_rest(side: Side) -> Sampler:
    how_many, prefix = side.of(50, tiny=3), f"sleeper-{os.getpid()}-{id(side)}"
    side.start(side.product("sleepers.py", how_many, prefix))
    agent = side.start(side.product("host.py", side.redis.url, how_many, prefix))[0]
    time.sleep(side.of(10.0, tiny=0.1))  # until its start, and its processes' youth, are over
    return partial(sample, side, agent.pid, usage(agent.pid), time.monotonic())


def sample(side: Side, pid: int, before: Usage, began: float) -> tuple[float, ...]:
    time.sleep(max(0.0, began + side.of(40.0, tiny=0.3) - time.monotonic()))
    after, took_s = usage(pid), time.monotonic() - began
    return 100 * (after.cpu_s - before.cpu_s) / took_s, resident_mib(pid)


LINES = [
    Line("host agent, 50 workloads, nothing profiled: CPU of one core", "%", at_most(0.5, "%")),
    Line("host agent, 50 workloads: resident memory", "MiB", at_most(80 / 1.048576, "MiB")),
]
ROWS = [Row(lines=LINES, product=at_rest, seconds=0, waits=True, compared=False)]
