"""What profiling costs: all frequencies at the same time, a process each, beside one unprofiled."""

from __future__ import annotations

import time

from ...measuring.row import Goal, Line, Row, Sampler, at_most
from ...measuring.side import Side
from ...parts.sink import sink

FREQUENCIES = (9, 19, 49, 100)
#: What of the bytes sent stays after the backend has merged windows and symbols: ~10 GB a month of
#: ~150 KB/s, as in the defaults of `upshift cost`. Not measured: a sink merges nothing.
GB_PER_KB_S = 10 / 150
STORED = at_most(10, "GB")


def product(side: Side) -> Sampler:
    pushed = side.enter(sink())
    commands = [
        side.product("busy.py", side.redis.url, pushed.url(str(hz)), hz) for hz in (0, *FREQUENCIES)
    ]
    bare, *profiled = side.start(*commands)
    time.sleep(side.of(1.0, tiny=0.1))  # until the start is over

    def sample() -> tuple[float, ...]:
        before = [float(it.ask().split()[0]) for it in profiled]
        sent = dict(pushed.received)
        began = time.monotonic()
        time.sleep(side.of(10.0, tiny=0.5))  # one push of pyroscope-io's
        memory, figures = float(bare.ask().split()[3]), []
        for hz, program, cpu_ms in zip(FREQUENCIES, profiled, before, strict=True):
            after, took_s = [float(it) for it in program.ask().split()], time.monotonic() - began
            bytes_sent = pushed.received.get(str(hz), 0) - sent.get(str(hz), 0)
            rate = bytes_sent / took_s / 1000
            figures += [(after[0] - cpu_ms) / took_s / 10, (after[3] - memory) / 1e6, rate]
            figures.append(rate * GB_PER_KB_S)
        return tuple(figures)

    return sample


def lines(hz: int) -> list[Line]:
    figures = [
        ("CPU of one core", "%", at_most(5, "%")),
        ("memory", "MB", at_most(100, "MB")),
        ("pushed", "KB/s", at_most(200, "KB/s")),
        ("stored in a month", "GB", STORED if hz == 19 else Goal()),
    ]
    at = f"profiler at {hz} Hz"
    return [
        Line(f"{at}: {what}", unit, goal, curve=(f"profiler: {what}", hz))
        for what, unit, goal in figures
    ]


LINES = [line for hz in FREQUENCIES for line in lines(hz)]
ROWS = [Row(lines=LINES, product=product, seconds=0, alone=True, compared=False)]
