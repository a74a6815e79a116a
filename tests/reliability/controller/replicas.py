"""Three controllers behind two Alertmanagers: everybody hears everything, and it counts once."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import requests

from servers import HttpServer, alertmanager, eventually, free_port, redis_server

from ..parts.agents import agents
from ..parts.controllers import controller
from ..parts.ends import PROMISED_S, ends, expiries, recorded_late, told_twice
from ..table import Row, Size

#: A boost whose controller died is recorded as ended by another one's sweep.
RECORDED_S = 5.0 + PROMISED_S
RULES = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 100, duration: 3s}
"""
ROUTE = """
route: {{receiver: upshift, group_by: ['...'], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: upshift
    webhook_configs: [{hooks}]
"""


def three_controllers(folder: Path, size: Size) -> Row:
    """SIGKILL of one of three, at a random moment of each episode."""
    times = size.of(15, 1)
    dice = random.Random(5)
    with ExitStack() as stack:
        server = stack.enter_context(redis_server(folder / "redis"))
        fleet = stack.enter_context(agents(folder, server.url, "a", "b", "c"))
        upshifts = [
            stack.enter_context(controller(folder / str(number), server.url, rules=RULES))
            for number in range(3)
        ]
        fronts = _two_alertmanagers(stack, folder, [it.url for it in upshifts])
        for number in range(1, times + 1):
            _fires(fronts, number)
            victim = dice.choice(upshifts)
            time.sleep(dice.uniform(0, 3))  # the random moment is the fault itself
            victim.kill()
            others = [it for it in upshifts if it is not victim]
            eventually(
                lambda n=number, it=others[0]: _count(it.history(), "expired") == n, within_s=20
            )
            victim.spawn()
            eventually(lambda it=victim: it.get("/-/ready"), within_s=30)
        eventually(lambda: fleet.all_at(19))
        history = upshifts[0].history()
        deliveries = sum(_delivered(it.get("/metrics")) for it in upshifts)
        left = ends(fleet.calls, expiries(history, server.url))
    broken = [*left.broken(3 * times), *told_twice(history)]
    if (boosts := _count(history, "granted")) != times:
        broken.append(f"{boosts} boosts for {times} episodes")
    late_s = recorded_late(history)
    broken += [f"an end was recorded {it:.1f} s late" for it in late_s if it > RECORDED_S]
    return Row(
        fault="one of 3 controllers killed, behind 2 clustered Alertmanagers",
        injected=times,
        promised=f"one boost an episode, told once; agents back ≤ {PROMISED_S:g} s, "
        f"recorded ≤ {RECORDED_S:g} s",
        worst=f"{boosts} boosts, {deliveries}+ deliveries; {left.worst}; "
        f"recorded after {max(late_s) * 1000:.0f} ms",
        broken=broken,
    )


def _two_alertmanagers(stack: ExitStack, folder: Path, urls: Sequence[str]) -> list[HttpServer]:
    hooks = ", ".join(f'{{url: "{url}/api/v1/webhook/alertmanager"}}' for url in urls)
    gossip = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    fronts = [
        stack.enter_context(
            alertmanager(
                folder / f"alertmanager{number}",
                ROUTE.format(hooks=hooks),
                f"--cluster.peer={gossip[1 - number]}",
                "--cluster.settle-timeout=1s",
                # By default the second one waits 15 s for word of the first; here both deliver.
                "--cluster.peer-timeout=100ms",
                listen=listen,
            )
        )
        for number, listen in enumerate(gossip)
    ]
    for front in fronts:
        eventually(lambda it=front: len(it.get("/api/v2/status")["cluster"]["peers"]) == 2)
    return fronts


def _fires(fronts: Sequence[HttpServer], number: int) -> None:
    """As Prometheus does it: the same alert to every Alertmanager."""
    labels = {"alertname": "HighCPU", "service_name": "checkout", "number": str(number)}
    alert = {"labels": labels, "startsAt": datetime.now(UTC).isoformat()}
    for front in fronts:
        requests.post(f"{front.url}/api/v2/alerts", json=[alert], timeout=10).raise_for_status()


def _count(history: Sequence[dict[str, object]], event: str) -> int:
    return Counter(entry["event"] for entry in history)[event]


def _delivered(metrics: str) -> int:
    lines = [
        it for it in metrics.splitlines() if it.startswith('upshift_webhooks_total{code="200"}')
    ]
    return sum(int(float(line.rpartition(" ")[2])) for line in lines)
