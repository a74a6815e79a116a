"""What one token may cost, for each attack: memory and time of the controller, memory of Redis."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import requests
from redis import Redis

from servers import redis_server
from upshift_agent.contract import Keys

from ..parts.controllers import controller
from ..table import Row, Size
from .attacking import attacker

#: Limits are those that are in force where nobody sets any.
RULES = """
sampling:
  on_alert: [{trigger: high_cpu, frequency: 100, duration: 10m}]
limits: {}
"""
ATTACKS = (
    "ones",
    "texts",
    "new-targets",
    "history",
    "no-alerts",
    "no-labels",
    "nested",
    "many-labels",
    "group",
    "explain",
    "streams",
    "targets",
    "agents",
)
#: Connections of the one token.
AT_ONCE = 4
#: From a question that costs nothing to its answer, beside the attack.
ANSWERED_S = 2.0
#: The most that an attack may take while it lasts, what it may leave behind, and in Redis. Three
#: times what is seen; bodies that stay until the collector comes take hundreds within seconds.
TAKES_MB, KEEPS_MB, STORES_MB = 100.0, 75.0, 20.0
#: As in the report of the defect: targets with as many entries.
ENTRIES = 1000


@dataclass(frozen=True)
class Cost:
    answers: Counter[str]
    answered_s: float
    takes_mb: float
    keeps_mb: float
    stores_mb: float

    @property
    def shown(self) -> str:
        answers = ", ".join(f"{number:,} × {it}" for it, number in sorted(self.answers.items()))
        return (
            f"{answers}; an answer took {self.answered_s * 1000:.0f} ms; memory "
            f"{self.takes_mb:+.0f} MB, {self.keeps_mb:+.0f} MB after; Redis "
            f"{self.stores_mb:+.1f} MB"
        )

    @property
    def broken(self) -> bool:
        return (
            self.answered_s > ANSWERED_S
            or self.takes_mb > TAKES_MB
            or self.keeps_mb > KEEPS_MB
            or self.stores_mb > STORES_MB
            or not self.answers
        )


def one_token(folder: Path, size: Size) -> Row:
    """Each attack for some seconds, by several connections, with one token."""
    attacks, seconds = ATTACKS[: size.of(len(ATTACKS), 3)], size.of(8, 1)
    costs: dict[str, Cost] = {}
    with (
        redis_server(folder / "redis") as server,
        Redis.from_url(server.url) as client,
        controller(folder, server.url, rules=RULES) as upshift,
        attacker(upshift.url, server.url) as below,
    ):
        assert upshift.process is not None
        pid = upshift.process.pid
        if "history" in attacks:
            _fill(client)
        for attack in attacks:
            before_mb, stored_mb = _resident_mb(pid), _redis_mb(client)
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak counts from here
            with Probe(upshift.url) as probe, below.doing(*[attack] * AT_ONCE) as answers:
                time.sleep(seconds)  # the attack is the fault
            costs[attack] = Cost(
                answers,
                probe.worst_s,
                _resident_mb(pid, "VmHWM") - before_mb,
                _resident_mb(pid) - before_mb,
                _redis_mb(client) - stored_mb,
            )
    return Row(
        fault="one token, each attack of its own",
        injected=sum(cost.answers.total() for cost in costs.values()),
        promised=f"others answered ≤ {ANSWERED_S:g} s; memory ≤ +{TAKES_MB:g} MB, ≤ "
        f"+{KEEPS_MB:g} MB after; Redis ≤ +{STORES_MB:g} MB, each",
        worst=f"{max(it.answered_s for it in costs.values()) * 1000:.0f} ms; "
        f"{max(it.takes_mb for it in costs.values()):+.0f} MB, "
        f"{max(it.keeps_mb for it in costs.values()):+.0f} MB after; Redis "
        f"{max(it.stores_mb for it in costs.values()):+.1f} MB",
        broken=[f"{attack}: {cost.shown}" for attack, cost in costs.items() if cost.broken],
        parts=[f"{attack}: {cost.shown}" for attack, cost in costs.items()],
    )


class Probe:
    """Asks what costs nothing, and minds the longest time until an answer."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/-/healthy"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="probe")
        self.worst_s = 0.0

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        with requests.Session() as session:
            while not self._over.wait(0.01):
                began = time.monotonic()
                session.get(self._url, timeout=60)
                self.worst_s = max(self.worst_s, time.monotonic() - began)


def _fill(client: Redis) -> None:
    """Histories that are as long as they may be."""
    keys, entry = Keys(), {"event": "granted", "reason": "r" * 100}
    for number in range(200):
        name = f"service/busy-{number}"
        pipeline = client.pipeline(transaction=False)
        pipeline.zadd(keys.targets, {name: client.time()[0] * 1000})
        for at in range(ENTRIES):
            at_ms = 1_000_000_000_000 + at * 1000 + number
            fields = {"entry": json.dumps(entry | {"at_ms": at_ms})}
            pipeline.xadd(keys.history(name), fields, id=f"{at_ms * 1000}-0")
        pipeline.execute()


def _resident_mb(pid: int, which: str = "VmRSS") -> float:
    """Now, or `VmHWM`: at most."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == which:
            return int(value.split()[0]) * 1024 / 1e6
    raise LookupError(which)


def _redis_mb(client: Redis) -> float:
    return float(client.info("memory")["used_memory"]) / 1e6
