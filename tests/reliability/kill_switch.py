"""The kill switch, while everything below an operator does its worst."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from servers import eventually, redis_server

from .agents import Agents, agents
from .attack_process import instances
from .controllers import Controller, controller, firing
from .table import Row, Size

GRANTED_S = 2.0
OBEYED_S = 2.0
RULES = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 100, duration: 1h, cooldown: 1h}
    - {trigger: fleet_cpu, frequency: 99, duration: 1h, target: fleet, scope: instance}
limits: {max_boosted_agents: 100000, max_boosts_per_hour: 1000000}
"""
ATTACKS = (
    "leases",
    "new-targets",
    "single-alerts",
    "long-names",
    "no-alerts",
    "targets",
    "agents",
    "history",
    "garbage",
)


def flooded(folder: Path, size: Size) -> Row:
    """Each kind of attack by itself and all of them together, with every lease taken before."""
    granted_s: list[float] = []
    obeyed_s: list[float] = []
    answers: Counter[str] = Counter()
    broken: list[str] = []
    rounds = [(it,) for it in ATTACKS] * size.of(1, 0) + [ATTACKS] * size.of(5, 2)
    with (
        redis_server(folder / "redis") as server,
        controller(folder, server.url, rules=RULES) as upshift,
        agents(folder, server.url, "a", "b", "c", "d") as fleet,
    ):
        upshift.notify(firing(), *instances("HighCPU"), *instances("FleetCPU"))
        for attacks in rounds:
            _use_up_the_room_of_engineers(upshift)
            eventually(lambda: fleet.all_at(100), within_s=30)
            with _going_on(upshift.url, server.url, attacks, answers):
                time.sleep(1)  # the flood is the fault
                began = time.monotonic()
                try:
                    upshift.lease(target="fleet", kind="cap", hz=0, duration="10m")
                except requests.RequestException as error:
                    said = error.response.text if error.response is not None else repr(error)
                    broken.append(f"{attacks}: {said}")
                    continue
                granted = time.monotonic()
                eventually(lambda: fleet.all_at(0), within_s=30)
            granted_s.append(granted - began)
            obeyed_s.append(_last_call(fleet) - granted)
            if granted_s[-1] > GRANTED_S or obeyed_s[-1] > OBEYED_S:
                broken.append(f"{attacks}: {granted_s[-1]:.1f} s, {obeyed_s[-1]:.1f} s later")
            upshift.release("fleet")
    return Row(
        fault="the kill switch in a flood from below an operator, every lease taken before",
        injected=len(rounds),
        promised=f"granted ≤ {GRANTED_S:g} s, every agent at 0 Hz ≤ {OBEYED_S:g} s later",
        worst=f"granted {max(granted_s, default=0):.2f} s, "
        f"obeyed {max(obeyed_s, default=0) * 1000:.0f} ms later; meanwhile "
        + ", ".join(f"{number:,} × {answer}" for answer, number in sorted(answers.items())),
        broken=broken,
    )


def _last_call(fleet: Agents) -> float:
    return max(fleet.of(it)[-1].at_s for it in fleet.instances)


def _use_up_the_room_of_engineers(upshift: Controller) -> None:
    """All of it but for the kill switch's."""
    for target in ("fleet", "service/checkout"):
        for kind, hz in (("boost", 100), ("pin", 100), ("cap", 150)):
            with suppress(requests.HTTPError):
                while True:
                    upshift.lease(target=target, kind=kind, hz=hz, duration="1h")


@contextmanager
def _going_on(
    url: str, redis_url: str, attacks: Sequence[str], answers: Counter[str]
) -> Iterator[None]:
    """In a process of its own, so that this one has the time to measure."""
    command = [sys.executable, "-m", "reliability.attack_process", url, redis_url, *attacks]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
    )
    try:
        yield
        said, _ = process.communicate(timeout=60)
        answers.update(json.loads(said))
    finally:
        process.kill()
        process.communicate()
