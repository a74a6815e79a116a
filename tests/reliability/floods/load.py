"""More than can be done: what is accepted is done, and the rest is told to come back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from contract.statuses import applied, requested
from servers import eventually, redis_server
from upshift_agent.contract import Keys, Status, encode_status

from ..parts.controllers import Controller, controller, firing
from ..parts.ends import recorded_late
from ..parts.memory import Memory
from ..table import Row, Size

PROGRAM = Path(__file__).with_name("load_process.py")
#: What Alertmanager waits for an answer, at least.
ANSWERED_S = 10.0
#: From a lease's expiry to its record. Agents end it by themselves, in time.
RECORDED_S = 20.0
STATUS_EVERY_S = 15.0
RULES = """
sampling:
  on_alert:
    - {{trigger: high_cpu, frequency: 100, duration: {duration}}}
"""


@contextmanager
def _scene(folder: Path, duration: str) -> Iterator[tuple[Controller, redis.Redis]]:
    rules = RULES.format(duration=duration)
    with (
        redis_server(folder / "redis") as server,
        controller(folder, server.url, rules=rules) as upshift,
        server.client() as client,
    ):
        yield upshift, client


def _offer(upshift: Controller, folder: Path, rate: float, seconds: float) -> dict[str, Any]:
    """Webhooks at `rate` a second, or at rate 0 as many as are answered."""
    first = 10_000_000 if rate else 0
    output = folder / f"load{first}.json"
    arguments = [upshift.port, rate, seconds, first, output]
    subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, arguments)], check=True, timeout=seconds + 60
    )
    return dict(json.loads(output.read_text()))


def _lost(client: redis.Redis, accepted: list[int]) -> list[str]:
    """What was answered with 200 and has no lease."""
    keys, missing = Keys(), 0
    for start in range(0, len(accepted), 1000):
        part = accepted[start : start + 1000]
        states = client.mget([keys.state(f"service/load-{number:08d}") for number in part])
        missing += sum(not state or '"leases":[{' not in state for state in states)
    return [f"{missing} of {len(accepted)} accepted webhooks left no lease"] if missing else []


def webhooks(folder: Path, size: Size) -> Row:
    """Twice as many as can be done, whether or not the earlier ones have been answered."""
    seconds = size.of(60, 4)
    with _scene(folder, "1h") as (upshift, client):
        sustainable = _offer(upshift, folder, 0, size.of(5, 1))
        rate = sustainable["answered_per_s"]
        with Memory(upshift.process.pid) as memory:
            load = _offer(upshift, folder, 2 * rate, seconds)
        accepted = [*sustainable["accepted"], *load["accepted"]]
        broken = [*_lost(client, accepted), *memory.broken(size)]
        answer = upshift.notify(firing())
    statuses, slowest_s = load["statuses"], max(load["slowest_s"].values())
    if set(statuses) - {"200", "503"}:
        broken.append(f"answers were {statuses}")
    broken += [
        f"{load[what]} {what.replace('_', ' ')}"
        for what in ("without_retry_after", "unanswered", "lost_connections")
        if load[what]
    ]
    if slowest_s > ANSWERED_S:
        broken.append(f"an answer took {slowest_s:.1f} s")
    if not load["accepted"]:
        broken.append("under load nothing was accepted at all")
    if answer.status_code != 200:
        broken.append(f"after the load the webhook answered {answer.status_code}")
    return Row(
        fault=f"{seconds} s at twice the sustainable rate, {2 * rate:,.0f} webhooks/s",
        injected=load["sent"],
        promised=f"nothing accepted is lost; 503 + Retry-After ≤ {ANSWERED_S:g} s; memory flat",
        worst=f"{statuses.get('200', 0):,} accepted, {statuses.get('503', 0):,} sent away, "
        f"slowest answer {slowest_s:.1f} s; {memory.shown}",
        broken=broken,
    )


def statuses(folder: Path, size: Size) -> Row:
    """10,000 agents report every 15 s; alerts come in, and somebody looks at it all."""
    # Ten rounds: of 45 s the second half saw caches fill (+11 to +21 MB/min, of 150 s +3).
    agents, seconds = size.of(10_000, 1_000), size.of(150, 3)
    answers_s: list[float] = []
    # The same ones again and again: what is remembered of new ones would count as growth.
    alerts = [firing(service=f"shop-{number}") for number in range(100)]
    with _scene(folder, "1h") as (upshift, client), Memory(upshift.process.pid) as memory:
        _report(client, range(agents))
        began, reported, codes = time.monotonic(), 0, set[int]()
        while (elapsed := time.monotonic() - began) < seconds:
            due = int(elapsed * agents / STATUS_EVERY_S)
            _report(client, (number % agents for number in range(reported, due)))
            reported = due
            asked = time.monotonic()
            codes.add(upshift.notify(alerts[len(answers_s) % 100]).status_code)
            answers_s.append(time.monotonic() - asked)
            if len(answers_s) % 20 == 0:
                summaries = upshift.get("/api/v1/targets")["targets"]
        # Every agent follows the fleet as well.
        seen = sum(it["agents"] for it in summaries if it["target"] != "fleet")
    broken = memory.broken(size)
    if codes != {200}:
        broken.append(f"webhooks were answered {sorted(codes)}")
    if max(answers_s) > ANSWERED_S / 2:
        broken.append(f"a webhook took {max(answers_s):.1f} s")
    if seen != agents:
        broken.append(f"{seen} agents were seen")
    return Row(
        fault=f"status traffic of {agents:,} agents for {seconds} s",
        injected=agents + reported,
        promised=f"all seen; webhooks ≤ {ANSWERED_S / 2:g} s; memory flat",
        worst=f"webhook {max(answers_s) * 1000:.0f} ms of {len(answers_s)}; {memory.shown}",
        broken=broken,
    )


def _report(client: redis.Redis, numbers: Iterator[int] | range) -> None:
    """As agents do: their status, its expiry, and that their target reports."""
    keys, seconds = Keys(), client.time()[0]
    pipeline = client.pipeline(transaction=False)
    for number in numbers:
        target, instance = f"service/shop-{number % 100}", f"shop-{number}"
        status = _status(instance, target, seconds * 1000)
        pipeline.hset(keys.agents(target), f"{instance}/1", status)
        pipeline.expire(keys.agents(target), 24 * 60 * 60)
        pipeline.zadd(keys.reporting, {target: seconds * 1000})
    pipeline.execute()


def _status(instance: str, target: str, at_ms: int) -> str:
    revs: Mapping[str, int] = {target: 1, "fleet": 1}
    return encode_status(
        Status(
            instance=instance,
            attributes={
                "service.name": target.partition("/")[2],
                "service.instance.id": instance,
                "deployment.environment.name": "production",
                "host.name": f"node-{instance}",
                "process.pid": "1",
            },
            driver="pyroscope",
            at_ms=at_ms,
            state="applied",
            since_ms=at_ms,
            requested=requested(19, revs, reason="baseline"),
            applied=applied(19, revs, at_ms),
            error=None,
            skipped=(),
            max_hz=None,
            sdk="python/0.1.0",
        )
    )


def due_together(folder: Path, size: Size) -> Row:
    """Leases of as many targets that all end in the same second."""
    leases = size.of(10_000, 1_000)
    answers_s: list[float] = []
    with _scene(folder, "15s" if size.full else "3s") as (upshift, client):
        answer = upshift.notify(
            *[firing(service=f"load-{number:08d}") for number in range(leases)], timeout_s=60
        )
        answer.raise_for_status()
        keys = Keys()
        names = [f"service/load-{number:08d}" for number in range(leases)]
        due_s = [ms for _, ms in client.zrange(keys.due, 0, -1, withscores=True)]
        spread_s = (max(due_s) - min(due_s)) / 1000

        def all_reverted() -> bool:
            began = time.monotonic()
            assert upshift.notify(firing(service="bystander")).status_code == 200
            answers_s.append(time.monotonic() - began)
            return upshift.metric('upshift_changes_total{event="expired"}') >= leases

        eventually(all_reverted, within_s=90, every_s=0.1)
        pipeline = client.pipeline(transaction=False)
        for name in names:
            pipeline.xrange(keys.history(name))
        histories = [[json.loads(it["entry"]) for _, it in rows] for rows in pipeline.execute()]
    late_s = [late for history in histories for late in recorded_late(history)]
    broken = []
    told = [[entry["event"] for entry in history] for history in histories]
    if wrong := sum(it != ["granted", "expired"] for it in told):
        other = next(it for it in told if it != ["granted", "expired"])
        broken.append(f"{wrong} histories are not granted, expired; one is {other}")
    if max(late_s) > RECORDED_S:
        broken.append(f"the last was recorded {max(late_s):.1f} s late")
    if max(answers_s) > ANSWERED_S / 2:
        broken.append(f"a webhook took {max(answers_s):.1f} s meanwhile")
    return Row(
        fault=f"{leases:,} leases due within {max(spread_s, 0.001):.3f} s",
        injected=leases,
        promised=f"each recorded once, ≤ {RECORDED_S:g} s; webhooks ≤ {ANSWERED_S / 2:g} s",
        worst=f"the last recorded after {max(late_s):.1f} s, webhook {max(answers_s):.1f} s",
        broken=broken,
    )
