"""Redis goes away, freezes, forgets: nothing accepted is lost, and agents stay put."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from servers import HttpServer, RedisServer, alertmanager, eventually, redis_server

from ..parts.agents import Agents, agents
from ..parts.controllers import Controller, controller, firing
from ..parts.ends import Ends, ends, expiries
from ..table import Row, Size

#: The webhook's promise: an answer within 5 s, whatever Redis does.
ANSWER_S = 5.0

#: Longer boosts than elsewhere, so that they outlive the fault, and end apart from each other.
RULES = """
sampling:
  on_alert:
    - {{trigger: high_cpu, frequency: 100, duration: {seconds}s}}
    - {{trigger: high_latency, frequency: 49, duration: {longer}s}}
"""
ROUTE = """
route: {{receiver: upshift, group_by: ['...'], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: upshift
    webhook_configs: [{{url: "{url}/api/v1/webhook/alertmanager"}}]
"""


@dataclass
class Scene:
    """A Redis, agents, a controller, and a real Alertmanager before it."""

    redis: RedisServer
    fleet: Agents
    upshift: Controller
    alertmanager: HttpServer

    def fires(self, alertname: str) -> None:
        """As Prometheus tells Alertmanager."""
        rows = [{"labels": {"alertname": alertname, "service_name": "checkout"}}]
        url = f"{self.alertmanager.url}/api/v2/alerts"
        requests.post(url, json=rows, timeout=10).raise_for_status()

    def revisions(self) -> list[int]:
        return [entry["rev"] for entry in self.upshift.history()]


@contextmanager
def scene(folder: Path, seconds: int) -> Iterator[Scene]:
    rules = RULES.format(seconds=seconds, longer=seconds + 2)
    with (
        redis_server(folder / "redis") as server,
        agents(folder, server.url, "a", "b", "c") as fleet,
        controller(folder, server.url, rules=rules) as upshift,
        alertmanager(folder / "alertmanager", ROUTE.format(url=upshift.url)) as front,
    ):
        yield Scene(server, fleet, upshift, front)


def restarted(folder: Path, size: Size) -> Row:
    """Redis ends and comes back with what it had on disk, while Alertmanager delivers."""
    times = size.of(10, 1)
    broken: list[str] = []
    slowest = 0.0
    for number in range(times):
        with scene(folder / str(number), seconds=5) as now:
            now.redis.stop()
            now.fires("HighCPU")
            slowest = max(slowest, _must_answer_503(now.upshift, broken))
            now.redis.start()
            eventually(lambda: now.fleet.all_at(100), within_s=20)
            broken += _steps(now, [19, 100, 19])
    return Row(
        fault="Redis restarted",
        injected=times,
        promised="503 ≤ 5 s, Alertmanager's retry comes through, no flapping",
        worst=f"answer after {slowest:.1f} s",
        broken=broken,
    )


def frozen(folder: Path, size: Size) -> Row:
    """Redis stands still (SIGSTOP) while a boost ends and another alert fires."""
    seconds = size.of(20, 5)
    broken: list[str] = []
    with scene(folder, seconds=4) as now:
        now.fires("HighCPU")
        eventually(lambda: now.fleet.all_at(100))
        expire_at_s = expiries(now.upshift.history(), now.redis.url)
        now.redis.freeze()
        until = time.monotonic() + seconds
        now.fires("HighLatency")
        slowest = _must_answer_503(now.upshift, broken)
        eventually(lambda: now.fleet.all_at(19), within_s=10)
        left = ends(now.fleet.calls, expire_at_s)
        time.sleep(max(0.0, until - time.monotonic()))  # the length of the fault
        now.redis.thaw()
        eventually(lambda: now.fleet.all_at(49), within_s=30)
        broken += [*left.broken(3), *_steps(now, [19, 100, 19, 49, 19])]
    return Row(
        fault=f"Redis frozen for {seconds} s",
        injected=1,
        promised="503 ≤ 5 s, retried later; boosts end on time, no flapping",
        worst=f"answer after {slowest:.1f} s; {left.worst}",
        broken=broken,
    )


def emptied(folder: Path, size: Size) -> Row:
    """FLUSHALL in the middle of a boost, then another alert."""
    return _forgotten(folder, size, "Redis emptied (FLUSHALL)", _flush)


def older_snapshot(folder: Path, size: Size) -> Row:
    """Redis comes back with the data of before the boost, then another alert."""
    return _forgotten(folder, size, "Redis replaced by an older snapshot", _rewind)


def _forgotten(folder: Path, size: Size, fault: str, forget: Callable[[Scene], None]) -> Row:
    times = size.of(10, 1)
    broken: list[str] = []
    off_s: list[float] = []
    for number in range(times):
        with scene(folder / str(number), seconds=5) as now:
            if forget is _rewind:
                shutil.copytree(now.redis.log.parent, folder / str(number) / "saved")
            now.upshift.notify(firing("HighCPU"))
            eventually(lambda: now.fleet.all_at(100))
            before = now.revisions()
            expire_at_s = expiries(now.upshift.history(), now.redis.url)
            forget(now)
            now.upshift.notify(firing("HighLatency"))
            eventually(lambda: now.fleet.all_at(49), within_s=15)
            left = ends(now.fleet.calls, expire_at_s)
            off_s += left.off_s
            broken += [*left.broken(3), *_steps(now, [19, 100, 49, 19])]
            if not max(before) < min(now.revisions()[-2:]):
                broken.append(f"revisions went from {before} to {now.revisions()}")
    return Row(
        fault=fault,
        injected=times,
        promised="leases held run to their end, revisions grow, no flapping",
        worst=Ends(off_s).worst,
        broken=broken,
    )


def _flush(now: Scene) -> None:
    with now.redis.client() as client:
        client.flushall()


def _rewind(now: Scene) -> None:
    folder = now.redis.log.parent
    now.redis.kill()
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "saved", folder)
    now.redis.start()
    eventually(lambda: now.upshift.get("/-/ready"))


def _must_answer_503(upshift: Controller, broken: list[str]) -> float:
    began = time.monotonic()
    answer = upshift.notify(firing("HighCPU", service="bystander"))
    took = time.monotonic() - began
    if answer.status_code != 503 or "Retry-After" not in answer.headers:
        broken.append(f"the webhook answered {answer.status_code} while Redis was away")
    if took > ANSWER_S:
        broken.append(f"the webhook took {took:.1f} s to answer")
    return took


def _steps(now: Scene, expected: list[int]) -> list[str]:
    """Every agent went these frequencies, in this order, and nothing between."""
    eventually(lambda: now.fleet.all_at(expected[-1]), within_s=20)
    told = {name: [call.hz for call in now.fleet.of(name)] for name in now.fleet.instances}
    return [
        f"{name} went {' → '.join(map(str, steps))}"
        for name, steps in told.items()
        if steps != expected
    ]
