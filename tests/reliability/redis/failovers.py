"""A primary dies, or stands still, and its replica takes over: nothing accepted is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from servers import eventually
from upshift_agent.contract import Keys

from ..controller.replicas import RECORDED_S
from ..network.subscriptions import BACKOFF_S
from ..parts.agents import Agents, agents
from ..parts.controllers import Controller, controller, firing
from ..parts.ends import PROMISED_S, Ends, ends, expiries, recorded_late, told_twice
from ..table import Row, Size
from .deployments import SERVICES, Deployment, Start, sentinels, shards
from .outages import ANSWER_S

#: Sentinel lets a primary that comes back be one for 8 s and more before it makes it a replica.
#: Agents that it wakes for follow it until then.
DEMOTED_S = 15.0
#: A brief boost ends in the midst of the outage, a long one outlasts all.
RULES = """
sampling:
  on_alert:
    - {{trigger: long, frequency: 49, duration: {long_s}s}}
    - {{trigger: brief, frequency: 60, duration: 2s}}
    - {{trigger: high_cpu, frequency: 100, duration: {short_s}s}}
"""
STEPS = [19, 49, 60, 49, 100, 49, 19]


def sentinel_killed(folder: Path, size: Size) -> Row:
    return _row(folder, size.of(5, 1), "Sentinel: the primary killed", sentinels)


def sentinel_frozen(folder: Path, size: Size) -> Row:
    """It does not close its connections, and believes that it is the primary when it wakes."""
    fault = "Sentinel: the primary frozen, and thawed after the failover"
    return _row(folder, size.of(3, 1), fault, sentinels, freeze=True)


def cluster_target(folder: Path, size: Size) -> Row:
    """Only the targets of that shard wait, and what shares a batch with them."""
    redis = partial(shards, Keys().state(f"service/{SERVICES[1]}"))
    return _row(folder, size.of(5, 1), "Cluster: a target's primary killed", redis)


def cluster_due(folder: Path, size: Size) -> Row:
    """Nothing at all can be committed meanwhile."""
    redis = partial(shards, Keys().due)
    return _row(folder, size.of(5, 1), "Cluster: the primary of `due` killed", redis)


@dataclass
class Scene:
    """Agents of two services, and a controller, that many alerts are delivered to."""

    redis: Deployment
    fleets: list[Agents]
    upshift: Controller
    pool: ThreadPoolExecutor
    #: Alerts that were taken, of each service.
    accepted: Counter[str] = field(default_factory=Counter)
    #: Each answer's status, and the seconds that it took.
    answers: list[tuple[int, float]] = field(default_factory=list)

    def deliver(self, alertname: str, services: Iterable[str]) -> list[Future[float]]:
        """As Alertmanager does: each again until it is taken. When, of the monotonic clock."""
        return [self.pool.submit(self._deliver, firing(alertname, service=it)) for it in services]

    def _deliver(self, alert: dict[str, Any]) -> float:
        deadline = time.monotonic() + 40
        while (began := time.monotonic()) < deadline:
            answer = self.upshift.notify(alert)
            self.answers.append((answer.status_code, time.monotonic() - began))
            if answer.status_code == 200:
                self.accepted[alert["labels"]["service_name"]] += 1
                return time.monotonic()
            time.sleep(0.2)  # Alertmanager waits as well, and longer
        raise AssertionError(f"{alert['labels']} was never taken")

    def all_at(self, hz: int) -> bool:
        return all(fleet.all_at(hz) for fleet in self.fleets)

    def histories(self) -> dict[str, list[dict[str, Any]]]:
        return {it: self.upshift.history(f"service/{it}") for it in self.accepted}

    def all_ended(self) -> bool:
        """Whether the end of each boost is recorded."""
        counts = (Counter(it["event"] for it in rows) for rows in self.histories().values())
        return all(count["granted"] == count["expired"] for count in counts)


@contextmanager
def _scene(folder: Path, deployment: Start, rules: str) -> Iterator[Scene]:
    with ExitStack() as stack:
        redis = stack.enter_context(deployment(folder / "redis"))
        fleets = [
            stack.enter_context(agents(folder, redis.url, f"{it}-a", f"{it}-b", service=it))
            for it in SERVICES
        ]
        upshift = stack.enter_context(controller(folder, redis.url, rules=rules))
        yield Scene(redis, fleets, upshift, stack.enter_context(ThreadPoolExecutor(32)))


def _round(folder: Path, deployment: Start, seen: Seen, *, freeze: bool) -> None:
    # The short boost has to be on still when agents learn of it, the long one to outlast that.
    rules = RULES.format(short_s=18, long_s=28) if freeze else RULES.format(short_s=5, long_s=14)
    bystanders = [f"bystander-{number}" for number in range(60)]
    with _scene(folder, deployment, rules) as now:
        _taken(now.deliver("Long", SERVICES))
        eventually(lambda: now.all_at(49))
        _taken(now.deliver("HighCPU", bystanders[:20]))
        _taken(now.deliver("Brief", SERVICES))
        eventually(lambda: now.all_at(60))
        # Some are under way when it happens, others come in the midst of it.
        others = now.deliver("HighCPU", bystanders[20:40])
        time.sleep(0.005)
        failed_at = time.monotonic()
        if freeze:
            now.redis.victim.freeze()
        else:
            now.redis.victim.kill()
        others += now.deliver("HighCPU", bystanders[40:])
        eventually(lambda: now.all_at(49))
        taken_at = max(_taken(now.deliver("HighCPU", SERVICES)))
        seen.writable_s.append(taken_at - failed_at)
        _taken(others)
        eventually(now.redis.replaced, within_s=20)
        if freeze:
            now.redis.victim.thaw()
        eventually(lambda: now.all_at(19), within_s=40)
        eventually(now.all_ended, within_s=20)
        seen.add(now, taken_at)


def _taken(deliveries: Iterable[Future[float]]) -> list[float]:
    return [it.result() for it in deliveries]


@dataclass
class Seen:
    """What there was to see in all rounds together."""

    off_s: list[float] = field(default_factory=list)
    writable_s: list[float] = field(default_factory=list)
    told_s: list[float] = field(default_factory=list)
    recorded_s: list[float] = field(default_factory=list)
    answers: list[tuple[int, float]] = field(default_factory=list)
    accepted: int = 0
    lost: int = 0
    broken: list[str] = field(default_factory=list)

    def add(self, now: Scene, taken_at: float) -> None:
        self.answers += now.answers
        histories = now.histories()
        for service, entries in histories.items():
            alerts = now.accepted[service]
            boosts = sum(entry["event"] == "granted" for entry in entries)
            self.accepted += alerts
            self.lost += max(0, alerts - boosts)
            if boosts > alerts:
                self.broken.append(f"{service} has {boosts} boosts of {alerts} alerts")
            self.broken += told_twice(entries)
            self.recorded_s += recorded_late(entries)
        for fleet, service in zip(now.fleets, SERVICES, strict=True):
            calls = fleet.calls
            self.told_s += [call.at_s - taken_at for call in calls if call.hz == 100]
            self.off_s += ends(calls, expiries(histories[service], now.redis.other.url)).off_s
            for instance in fleet.instances:
                steps = [call.hz for call in calls if call.instance == instance]
                if steps != STEPS:
                    self.broken.append(f"{instance} went {' → '.join(map(str, steps))}")


def _row(folder: Path, times: int, fault: str, deployment: Start, *, freeze: bool = False) -> Row:
    seen = Seen()
    for number in range(times):
        _round(folder / str(number), deployment, seen, freeze=freeze)
    told_within_s = DEMOTED_S if freeze else BACKOFF_S + PROMISED_S
    left, writable_s = Ends(seen.off_s), max(seen.writable_s)
    refused = sum(status == 503 for status, _ in seen.answers)
    slowest_s = max(seconds for _, seconds in seen.answers)
    broken = [*seen.broken, *left.broken(3 * 2 * len(SERVICES) * times)]
    if seen.lost:
        broken.append(f"{seen.lost} of {seen.accepted} accepted boosts are lost")
    if codes := {status for status, _ in seen.answers} - {200, 503}:
        broken.append(f"webhooks were answered {sorted(codes)}")
    if not refused:
        broken.append("no webhook was refused: nothing had failed")
    if slowest_s > ANSWER_S:
        broken.append(f"an answer took {slowest_s:.1f} s")
    broken += [f"an agent was told {it:.1f} s later" for it in seen.told_s if it > told_within_s]
    if max(seen.recorded_s) > writable_s + RECORDED_S:
        broken.append(f"an end was recorded {max(seen.recorded_s):.1f} s late")
    return Row(
        fault=fault,
        injected=times,
        promised=f"503 ≤ {ANSWER_S:g} s, the retry comes through; no accepted boost lost, none "
        f"stuck; agents told ≤ {told_within_s:g} s later, back ≤ {PROMISED_S:g} s, no flapping",
        worst=f"writable after {writable_s:.1f} s; {refused} × 503 ≤ {slowest_s:.1f} s; "
        f"{seen.lost} of {seen.accepted} boosts lost; told {max(seen.told_s, default=0):.1f} s "
        f"later; {left.worst}; recorded after {max(seen.recorded_s):.1f} s",
        broken=broken,
    )
