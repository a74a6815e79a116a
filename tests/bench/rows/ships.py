"""What a host agent costs its host while it ships 50 workloads, and what its profilers cost."""

from __future__ import annotations

import os
import time
from functools import partial

from servers import eventually

from ..measuring.processes import children_mib, family_cpu_s, resident_mib
from ..measuring.row import Line, Row, Sampler, at_most
from ..measuring.side import Side
from ..parts.sink import Sink, sink

HZ = 19


def shipping(side: Side) -> Sampler:
    how_many, prefix = side.of(50, tiny=2), f"worker-{os.getpid()}-{id(side)}"
    pushed = side.enter(sink())
    side.start(side.product("workers.py", how_many, prefix))
    backend = pushed.url("host")
    command = side.product("host.py", side.redis.url, how_many, prefix, HZ, backend)
    agent = side.start(command)[0]
    if not side.tiny:  # until the first windows have ended
        eventually(lambda: pushed.received, within_s=60)
    return partial(sample, side, agent.pid, pushed)


def sample(side: Side, pid: int, pushed: Sink) -> tuple[float, ...]:
    own, profilers = family_cpu_s(pid)
    sent, began = sum(pushed.received.values()), time.monotonic()
    time.sleep(side.of(26.0, tiny=0.3))  # two windows of each
    own_after, profilers_after = family_cpu_s(pid)
    took_s = time.monotonic() - began
    return (
        100 * (own_after - own) / took_s,
        resident_mib(pid),
        (sum(pushed.received.values()) - sent) / took_s / 1000,
        100 * (profilers_after - profilers) / took_s,
        children_mib(pid),
    )


SHIPS = f"host agent, ships 50 workloads at {HZ} Hz"
LINES = [
    Line(f"{SHIPS}: CPU of one core", "%", at_most(5, "%")),
    Line(f"{SHIPS}: resident memory", "MiB", at_most(150 / 1.048576, "MiB")),
    Line(f"{SHIPS}: pushed", "KB/s"),
    Line(f"{SHIPS}: its py-spys' CPU of one core", "%"),
    Line(f"{SHIPS}: its py-spys' resident memory", "MiB"),
]
ROWS = [Row(lines=LINES, product=shipping, seconds=0, alone=True, compared=False)]
