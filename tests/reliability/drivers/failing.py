"""Drivers that raise, hang and dawdle: nobody but the driver waits."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.statuses import applied_hz, requested_hz
from servers import RedisServer, eventually, redis_server
from upshift_agent.contract import Status
from upshift_agent.testing import FakeController

from ..parts.ends import PROMISED_S
from ..parts.languages import program
from ..table import Row, Size

HOME = "service/checkout"
HUNG_S = 5.0
#: Far less than any driver here takes or a network waits; far more than threads cost each other.
STALL_S = 0.25


@dataclass
class Application:
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    @property
    def frequencies(self) -> list[int]:
        return [line["hz"] for line in self.lines if "hz" in line]

    def end(self) -> dict[str, float]:
        """Its account of how long its main thread was kept from running."""
        self.process.terminate()
        self.process.wait(10)
        assert self.process.returncode == 0
        return next(line for line in self.lines if "stall_s" in line)


@dataclass
class Scene:
    """An application with an agent, and beside it the same one without."""

    redis: RedisServer
    controller: FakeController
    application: Application
    bare: Application

    def status(self) -> Status:
        (status,) = self.controller.statuses(HOME).values()
        return status

    def until(self, check: Callable[[Status], object], within_s: float = 20) -> float:
        """When (of the monotonic clock) the reported status was first seen to pass `check`."""
        eventually(lambda: check(self.status()), within_s=within_s)
        return time.monotonic()

    def stalls(self) -> tuple[str, list[str]]:
        """The longest, in words; and what of it is too long."""
        own, bare = self.application.end(), self.bare.end()
        worst = (
            f"application's longest stall {own['stall_s'] * 1000:.0f} ms (without an agent "
            f"{bare['stall_s'] * 1000:.0f}), call {own['call_s'] * 1000:.1f} ms"
        )
        too_long = own["stall_s"] > bare["stall_s"] + STALL_S or own["call_s"] > STALL_S
        return worst, [worst] if too_long else []


@contextmanager
def scene(folder: Path, kind: str, slow_s: float = 0) -> Iterator[Scene]:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(redis_server(folder / "redis"))
        controller = FakeController(server.url)
        stack.callback(controller.close)
        applications = [
            stack.enter_context(_application(folder, server.url, it, slow_s))
            for it in (kind, "none")
        ]
        now = Scene(server, controller, *applications)
        now.until(lambda status: status.state == "applied" and applied_hz(status) == 19)
        yield now


@contextmanager
def _application(folder: Path, url: str, kind: str, slow_s: float) -> Iterator[Application]:
    output = folder / f"{kind}.jsonl"
    output.touch()
    with (folder / f"{kind}.log").open("wb") as log:
        process = subprocess.Popen(
            [*program("application"), url, kind, str(slow_s), str(output)], stderr=log
        )
    application = Application(process, output)
    try:
        eventually(lambda: {"ready": True} in application.lines, within_s=30)
        yield application
    finally:
        process.kill()
        process.wait()


def raising(folder: Path, size: Size) -> Row:
    """The driver refuses 100 Hz, over and over, until the boost has ended."""
    times = size.of(5, 1)
    told_s: list[float] = []
    broken: list[str] = []
    with scene(folder, "raises") as now:
        for number in range(times):
            began = time.monotonic()
            now.controller.boost(HOME, hz=100, for_s=4)
            told_s.append(
                now.until(lambda it: it.state == "failed" and "no permission" in it.error) - began
            )
            back = now.until(lambda it: it.state == "applied" and applied_hz(it) == 19)
            told_s.append(back - began - 4)
            if (tries := now.application.frequencies.count(100)) < 2 * (number + 1):
                broken.append(f"only {tries} tries")
        worst, stalled = now.stalls()
    return Row(
        fault="a driver that raises",
        injected=times,
        promised=f"told with its reason, tried again, back at 19 Hz, each ≤ {PROMISED_S:g} s",
        worst=f"{max(told_s) * 1000:.0f} ms; {worst}",
        broken=[*broken, *stalled, *[f"{it:.1f} s" for it in told_s if it > PROMISED_S]],
    )


def hanging(folder: Path, size: Size) -> Row:
    """The driver never returns; the boost ends meanwhile."""
    times = size.of(3, 1)
    told_s: list[float] = []
    wanted_s: list[float] = []
    stalls: list[str] = []
    broken: list[str] = []
    for number in range(times):
        (folder / str(number)).mkdir()
        with scene(folder / str(number), "hangs") as now:
            began = time.monotonic()
            now.controller.boost(HOME, hz=100, for_s=5.5)
            told_s.append(now.until(lambda it: "not returned" in (it.error or "")) - began)
            if (state := now.status().state) != "applying":
                broken.append(f"the state was {state}")
            wanted_s.append(now.until(lambda it: requested_hz(it) == 19) - began - 5.5)
            worst, stalled = now.stalls()
            stalls.append(worst)
            broken += stalled
    broken += [f"told after {it:.1f} s" for it in told_s if it > HUNG_S]
    broken += [f"19 Hz wanted {it:+.1f} s late" for it in wanted_s if it > PROMISED_S]
    return Row(
        fault="a driver that hangs for ever",
        injected=times,
        promised=f"reported ≤ {HUNG_S:g} s; expiry and reports go on",
        worst=f"reported after {max(told_s):.1f} s; {stalls[-1]}",
        broken=broken,
    )


def dawdling(folder: Path, size: Size) -> Row:
    """The driver takes 10 s (small: 1 s, too quick to be reported), and changes go on coming."""
    slow_s = size.of(10, 1)
    with scene(folder, "dawdles", slow_s) as now:
        now.controller.boost(HOME, hz=50, for_s=60)
        began = now.until(lambda it: it.state == "applying" and requested_hz(it) == 50)
        for hz in (60, 70, 80, 90, 100):
            now.controller.boost(HOME, hz=hz, for_s=60)
        told_s = 0.0
        if slow_s > HUNG_S:
            told_s = now.until(lambda it: "not returned" in (it.error or "")) - began
        took_s = (
            now.until(
                lambda it: it.state == "applied" and applied_hz(it) == 100,
                within_s=60,
            )
            - began
        )
        steps = now.application.frequencies
        worst, broken = now.stalls()
    if steps != [19, 50, 100]:
        broken.append(f"the driver went {steps}")
    if told_s > HUNG_S:
        broken.append(f"reported after {told_s:.1f} s")
    if took_s > 2 * slow_s + PROMISED_S:
        broken.append(f"took {took_s:.1f} s")
    return Row(
        fault=f"a driver that takes {slow_s} s",
        injected=1,
        promised=f"newest wins, 4 between skipped, reported ≤ {HUNG_S:g} s",
        worst=f"reported after {told_s:.1f} s; {worst}",
        broken=broken,
    )
