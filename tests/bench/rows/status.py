"""Looking at a large fleet: the API, the command, and the controller's memory afterwards."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from .. import stage
from ..load import Caller
from ..processes import resident_mib
from ..results import Rounds, Row, at_most
from ..seeding import seed_statuses
from ..sizes import Size


def status(size: Size, folder: Path) -> Iterator[Row]:
    services = [f"svc-{n}" for n in range(size.status_targets)]
    asked, shown, grown = [], [], []
    with (
        stage.valkey(folder / "valkey") as redis,
        stage.controller(folder / "upshift", redis.url) as upshift,
        redis.client() as client,
        Caller(upshift.port) as caller,
    ):
        assert upshift.process is not None
        command = [sys.executable, "-m", "upshift_controller", "status", "--url", upshift.url]

        def ask() -> None:
            targets = caller.get("/api/v1/targets")["targets"]
            assert max(row["agents"] for row in targets) == size.statuses  # the fleet's

        def show() -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        seed_statuses(client, services, size.statuses)
        ask()
        show()
        for _ in range(size.rounds):
            seed_statuses(client, services, size.statuses)  # they report again, or would be lost
            before = resident_mib(upshift.process.pid)
            asked.append(median(_ms(ask) for _ in range(size.looks)))
            shown.append(median(_ms(show) for _ in range(size.looks)))
            grown.append(resident_mib(upshift.process.pid) - before)
    fleet = f"status of {size.statuses:,} agents"
    yield Row(
        name=f"{fleet}: GET /api/v1/targets",
        unit="ms",
        product=Rounds(asked),
        goal=at_most(500, "ms"),
    )
    yield Row(
        name=f"{fleet}: `upshift status`",
        unit="ms",
        product=Rounds(shown),
        goal=at_most(500, "ms"),
    )
    yield Row(
        name=f"{fleet}: the controller's growth in a round",
        unit="MiB",
        product=Rounds(grown),
        goal=at_most(1, "MiB"),
    )


def _ms(step: Callable[[], None]) -> float:
    began = time.perf_counter()
    step()
    return (time.perf_counter() - began) * 1000
