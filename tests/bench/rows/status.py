"""Looking at a large fleet: the API, the command, and the controller's memory afterwards."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from ..measuring.processes import resident_mib
from ..measuring.row import Line, Row, Sampler, at_most
from ..measuring.side import Side


def product(side: Side) -> Sampler:
    agents, services = side.of(10_000, tiny=20), side.of(100, tiny=2)
    caller, seeding = side.caller(side.controller), side.seed("statuses", services, agents)
    command = [*side.code.prefix, "-m", "upshift_controller", "status"]
    command += ["--url", side.controller.url]
    assert side.controller.process is not None
    pid = side.controller.process.pid

    def ask() -> None:
        targets = caller.get("/api/v1/targets")["targets"]
        assert max(row["agents"] for row in targets) == agents  # the fleet's

    def show() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def sample() -> tuple[float, float, float]:
        seeding.ask("svc")  # they report again, or would be lost
        before = resident_mib(pid)
        asked_ms, shown_ms = _ms(ask), _ms(show)
        return asked_ms, shown_ms, resident_mib(pid) - before

    sample()
    return sample


def _ms(step: Callable[[], None]) -> float:
    began = time.perf_counter()
    step()
    return (time.perf_counter() - began) * 1000


NAME = "status of 10,000 agents"
LINES = [
    Line(f"{NAME}: GET /api/v1/targets", "ms", at_most(500, "ms")),
    Line(f"{NAME}: `upshift status`", "ms", at_most(500, "ms")),
    Line(f"{NAME}: the controller's growth in a round", "MiB", at_most(1, "MiB")),
]
ROWS = [Row(lines=LINES, product=product, seconds=2)]
