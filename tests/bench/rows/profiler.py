"""pyroscope-io under Upshift: how long a switch leaves it blind, and what profiling costs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from aiohttp import web

from .. import stage
from ..results import NO_GOAL, Goal, Rounds, Row, at_most, at_most_times, in_turns
from ..sizes import Size

MONTH_S = 30 * 24 * 60 * 60
#: What of the bytes sent stays after the backend has merged windows and symbols: ~10 GB a
#: month of ~150 KB/s, as in the defaults of `upshift cost`. Not measured: a sink merges nothing.
STORED = 10e9 / (150e3 * MONTH_S)
WARM_UP_S = 2.0


def switch(size: Size, _: Path) -> Iterator[Row]:
    with (
        backend() as sink,
        stage.program(stage.PRODUCTS / "switch.py", sink.url("product")) as ours,
        stage.program(stage.FLOORS / "switch.py", sink.url("floor")) as bare,
    ):

        def step(program: stage.Program) -> float:
            program.tell(str(size.switches))
            return median(map(float, program.line().split()))

        rounds = in_turns(size.rounds, lambda _: step(ours), lambda _: step(bare))
    yield Row(
        name="frequency switch, without samples",
        unit="ms",
        product=rounds[0],
        floor=rounds[1],
        goal=at_most_times(1.2),
    )


@dataclass(slots=True)
class Windows:
    """Of one process: a figure for each window."""

    cpu_percent: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    kb_per_s: list[float] = field(default_factory=list)


def overhead(size: Size, folder: Path) -> Iterator[Row]:
    """All frequencies at the same time, each in a process of its own, beside one unprofiled."""
    with ExitStack() as stack:
        redis = stack.enter_context(stage.valkey(folder / "valkey"))
        sink = stack.enter_context(backend())
        found = _windows(stack, redis.url, sink, size)
    bare = found.pop(0)
    for hz, windows in found.items():
        added = [a - b for a, b in zip(windows.memory_mb, bare.memory_mb, strict=True)]
        stored = [rate * 1e3 * MONTH_S * STORED / 1e9 for rate in windows.kb_per_s]
        figures: list[tuple[str, str, list[float], Goal]] = [
            ("CPU of one core", "%", windows.cpu_percent, at_most(5, "%")),
            ("memory", "MB", added, at_most(100, "MB")),
            ("pushed", "KB/s", windows.kb_per_s, at_most(200, "KB/s")),
            ("stored in a month", "GB", stored, at_most(10, "GB") if hz == 19 else NO_GOAL),
        ]
        for what, unit, values, goal in figures:
            yield Row(
                name=f"profiler at {hz} Hz: {what}",
                unit=unit,
                product=Rounds(values),
                goal=goal,
                curve=(f"profiler: {what}", hz),
            )


def _windows(stack: ExitStack, redis_url: str, sink: Sink, size: Size) -> dict[int, Windows]:
    script = stage.PRODUCTS / "busy.py"
    busy = {
        hz: stack.enter_context(stage.program(script, redis_url, sink.url(f"hz-{hz}"), hz))
        for hz in (0, *size.frequencies)
    }
    found = {hz: Windows() for hz in busy}
    time.sleep(min(WARM_UP_S, size.window_s))
    before = {hz: _ask(program) for hz, program in busy.items()}
    for _ in range(size.rounds):
        pushed = dict(sink.received)
        began = time.monotonic()
        time.sleep(size.window_s)
        for hz, program in busy.items():
            took_s = time.monotonic() - began
            now = _ask(program)
            bytes_pushed = sink.received.get(f"hz-{hz}", 0) - pushed.get(f"hz-{hz}", 0)
            found[hz].cpu_percent.append((now[0] - before[hz][0]) / took_s / 10)
            found[hz].memory_mb.append(now[3] / 1e6)
            found[hz].kb_per_s.append(bytes_pushed / took_s / 1000)
            before[hz] = now
    return found


def _ask(program: stage.Program) -> list[float]:
    program.tell("")
    return [float(word) for word in program.line().split()]


class Sink:
    """A backend that takes every push and counts its bytes, by the first part of the path."""

    def __init__(self) -> None:
        self.received: dict[str, int] = {}
        self.port = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    async def push(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.received[name] = self.received.get(name, 0) + len(await request.read())
        return web.Response(content_type="application/proto")


@contextmanager
def backend() -> Iterator[Sink]:
    """Run a sink on a thread of this process."""
    sink, loop = Sink(), asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/{name}/{rest:.*}", sink.push)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sink.port = runner.addresses[0][1]
        return runner

    runner = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
