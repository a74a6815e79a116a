"""The kill switch, while everything below an operator does its worst."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import requests

from servers import eventually, redis_server

from ..parts.agents import agents
from ..parts.controllers import Controller, controller, firing
from ..parts.stopping import PROMISED, Stops
from ..table import Row, Size
from .attack_process import instances
from .attacking import attacker

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
    stops = Stops()
    answers: Counter[str] = Counter()
    rounds = [(it,) for it in ATTACKS] * size.of(1, 0) + [ATTACKS] * size.of(5, 2)
    with (
        redis_server(folder / "redis") as server,
        controller(folder, server.url, rules=RULES) as upshift,
        agents(folder, server.url, "a", "b", "c", "d") as fleet,
        attacker(upshift.url, server.url) as below,
    ):
        upshift.notify(firing(), *instances("HighCPU"), *instances("FleetCPU"))
        for attacks in rounds:
            _use_up_the_room_of_operators(upshift)
            eventually(lambda: fleet.all_at(100), within_s=30)
            with below.doing(*attacks) as answered:
                time.sleep(1)  # the flood is the fault
                granted = stops.stop(upshift, fleet, f"{attacks}")
            answers += answered
            if granted:
                upshift.release("fleet")
    return Row(
        fault="the kill switch in a flood from below an operator, every lease taken before",
        injected=len(rounds),
        promised=PROMISED,
        worst=f"{stops.worst}; meanwhile "
        + ", ".join(f"{number:,} × {answer}" for answer, number in sorted(answers.items())),
        broken=stops.broken,
    )


def _use_up_the_room_of_operators(upshift: Controller) -> None:
    """All of it but for the kill switch's."""
    for target in ("fleet", "service/checkout"):
        for kind, hz in (("boost", 100), ("pin", 100), ("cap", 150)):
            with suppress(requests.HTTPError):
                while True:
                    upshift.lease(target=target, kind=kind, hz=hz, duration="1h")
