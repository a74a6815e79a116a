"""Everything that asks for boosts at once, and all of it disturbed: who was boosted, how often, and
whether it ended."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from controller.guards.pretending import number, pretending
from controller.sources.rollouts.living import remember
from servers import HttpServer, RedisServer, alertmanager, eventually, free_port, redis_server

from ..parts.agents import agents
from ..parts.controllers import Controller, controller
from ..parts.ends import PROMISED_S, ends, expiries
from ..parts.stopping import PROMISED, Stops
from ..table import Row, Size
from .seen import boosts, granted, histories_of, unwell, wrong

RULES = """
alertmanager: {{urls: [{lists}]}}
prometheus: {{url: "{prometheus}", stop_if_every: 1s}}
sampling:
  on_alert:
    - {{trigger: high_cpu, frequency: 100, duration: 4s, on_resolved: revert}}
    - {{trigger: guarded, frequency: 97, duration: 4s, only_if: 'up{{job="{{{{ service }}}}"}}'}}
    - {{trigger: stopped, frequency: 49, duration: 1h, stop_if: 'up{{job="{{{{ service }}}}"}}'}}
  on_rollout: [{{frequency: 99, duration: 3s}}]
  schedules:
    - {{name: minutely, cron: "* * * * *", target: service/checkout, frequency: 61, duration: 5s}}
    - {{name: always, cron: "* * * * *", target: fleet, kind: cap, frequency: 900, duration: 2m}}
"""
ROUTE = """
route: {{receiver: upshift, group_by: ['...'], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: upshift
    webhook_configs: [{hooks}]
"""
TRIGGERS = ("HighCPU", "Guarded", "Stopped")
CONTROLLERS = 3
#: What Prometheus does in each round; between two of them it answers as it should.
LIES: Mapping[str, Callable[[Any], None]] = {
    "NaN": lambda it: it.answer({"status": "success", "data": {"result": number("NaN")}}),
    "10 MB": lambda it: it.write(b'{"status":"success","data":"' + b"x" * 10_000_000 + b'"}'),
    "HTML": lambda it: it.write(b"<html>sign in</html>"),
    "nothing": lambda it: it.connection.close(),
    "half a line": lambda it: it.write(b'{"status":"succ'),
    "late": lambda _: time.sleep(6),
    "another shape": lambda it: it.answer({"data": {"result": [{"metric": 7}, None, [[]]]}}),
}


def sources_attacked(folder: Path, size: Size) -> Row:
    """Alerts, rollouts and schedules, told over and over, while Alertmanager and Redis restart and
    Prometheus lies."""
    dice, stops, fired = random.Random(14), Stops(), list[str]()
    rounds = [*LIES.items()] * size.of(2, 1)
    rounds = rounds if size.full else rounds[:2]
    with ExitStack() as stack:
        enter = stack.enter_context
        server = enter(redis_server(folder / "redis", "--appendfsync", "always"))
        with server.client() as client:
            remember(client, "1")
        prometheus = enter(pretending())
        prometheus.says = lambda _: number(1)
        ports = [free_port(), free_port()]
        urls = ", ".join(f'"http://127.0.0.1:{it}"' for it in ports)
        rules = RULES.format(lists=urls, prometheus=prometheus.url)
        old = enter(agents(folder / "old", server.url, "a", "b", UPSHIFT_TEST_VERSION="1"))
        upshifts = [
            enter(controller(folder / str(it), server.url, rules=rules))
            for it in range(CONTROLLERS)
        ]
        fronts = _pair(stack, folder, [it.url for it in upshifts], ports)
        with _duplicated(upshifts, fronts):
            for at, (lie, raw) in enumerate(rounds):
                prometheus.raw = raw if at % 2 else None
                for name in TRIGGERS:
                    fired.append(f"{name.lower()}-{at}")
                    _fires(fronts, name, fired[-1])
                _fires(fronts, "HighCPU", "checkout", round=str(at))
                time.sleep(dice.uniform(0.5, 2))  # the random moment is the fault itself
                prometheus.raw = raw
                if at == len(rounds) // 3:
                    fronts[0].stop()
                    fronts[0].start()
                if at == len(rounds) // 2:
                    _restart(server)
                if at == len(rounds) - 1:
                    new = enter(agents(folder / "new", server.url, "c", UPSHIFT_TEST_VERSION="2"))
                    eventually(
                        lambda: granted(upshifts, "service/checkout", "rollout"), within_s=20
                    )
                eventually(lambda: all(it.is_ready() for it in upshifts), within_s=30)
                if stops.stop(upshifts[at % CONTROLLERS], old, lie):
                    eventually(lambda: _lift(upshifts), within_s=10)
            # From now on stop_if is true, and Prometheus answers: what runs on ends.
            prometheus.raw = None
            eventually(lambda: not boosts(upshifts), within_s=60)
        eventually(lambda: old.all_at(19) and new.all_at(19), within_s=20)
        histories = histories_of(upshifts)
        broken = [*stops.broken, *wrong(histories, fired), *unwell(upshifts)]
        calls = [*old.calls, *new.calls]
        left = ends(calls, expiries(histories["service/checkout"], server.url))
        broken += left.broken(1)
    said = Counter(it["event"] for entries in histories.values() for it in entries)
    return Row(
        fault=f"{CONTROLLERS} controllers; one of 2 Alertmanagers and Redis restarted, duplicates, "
        "a rollout, schedules, Prometheus lying, late or away",
        injected=len(rounds) * (len(TRIGGERS) + 1),
        promised=f"each boost once, each ends (agents ≤ {PROMISED_S:g} s), each with its reason; "
        f"no task fails; {PROMISED}",
        worst=f"{said['granted']} granted, {said['refused']} refused, {said['reverted']} reverted; "
        f"{left.worst}; {stops.worst}",
        broken=broken,
    )


def _restart(server: RedisServer) -> None:
    server.kill()
    time.sleep(1)
    server.start()


def _lift(upshifts: Sequence[Controller]) -> bool:
    """End kill switches, through whichever controller."""
    upshifts[0].release("fleet")
    leases = upshifts[1].target("fleet")["leases"]
    return all(it["hz"] for it in leases)


def _pair(
    stack: ExitStack, folder: Path, urls: Sequence[str], ports: Sequence[int]
) -> list[HttpServer]:
    hooks = ", ".join(f'{{url: "{url}/api/v1/webhook/alertmanager"}}' for url in urls)
    gossip = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    options = "--cluster.settle-timeout=0s", "--cluster.peer-timeout=100ms"
    fronts = [
        stack.enter_context(
            alertmanager(
                folder / f"alertmanager{at}",
                ROUTE.format(hooks=hooks),
                f"--cluster.peer={gossip[1 - at]}",
                *options,
                listen=gossip[at],
                port=ports[at],
            )
        )
        for at in range(2)
    ]
    for front in fronts:
        eventually(lambda it=front: len(it.get("/api/v2/status")["cluster"]["peers"]) == 2)
    return fronts


def _fires(fronts: Sequence[HttpServer], name: str, service: str, **labels: str) -> None:
    """As Prometheus does it: to every Alertmanager that is there."""
    alert = {
        "labels": {"alertname": name, "service_name": service, **labels},
        "startsAt": datetime.now(UTC).isoformat(),
    }
    for front in fronts:
        url = f"{front.url}/api/v2/alerts"
        requests.post(url, json=[alert], timeout=10).raise_for_status()


@contextmanager
def _duplicated(upshifts: Sequence[Controller], fronts: Sequence[HttpServer]) -> Iterator[None]:
    """All that Alertmanagers list is told to any controller, twice at once, again and again."""
    done, turns = threading.Event(), itertools.cycle(upshifts)

    def tell(front: HttpServer) -> None:
        while not done.wait(0.3):
            with suppress(OSError, requests.RequestException):
                listed = [it | {"status": "firing"} for it in front.get("/api/v2/alerts")]
                if listed:
                    next(turns).notify(*listed, *listed, timeout_s=5)

    threads = [threading.Thread(target=tell, args=[front]) for front in fronts]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
