"""Garbage in every key, and keys that are gone: the kill switch is granted, obeyed and kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path

from redis import Redis

from servers import eventually, redis_server
from upshift_agent.contract import FLEET, decode_plan

from ..parts.agents import Agents, agents
from ..parts.controllers import Controller, controller, firing
from ..parts.stopping import PROMISED, Stops
from ..table import Row, Size
from . import poison
from .poison import (
    KEYS,
    VALUES,
    WRITES,
    poison_names,
    poison_type,
    poison_values,
)

RULES = poison.RULES + "limits: {max_boosted_agents: 1000, max_new_targets: 1000000}\n"
#: The sweep comes every 5 s, and looks at the fleet each time.
WRITTEN_S = 7.0
READY_S = 10.0
#: A controller is started anew over every so many poisons.
STARTS_EVERY = 5

#: Of a state and its plan one has to be left: there is nothing to make both of.
_GONE = {"plan": KEYS.plan(FLEET), "state": KEYS.state(FLEET)}
_WITH = {"due": KEYS.due, "targets": KEYS.targets, "history": KEYS.history(FLEET)}
EVICTIONS = [
    {name: key for name, key in (_GONE | _WITH).items() if name in {gone, *others}}
    for gone in _GONE
    for count in range(len(_WITH) + 1)
    for others in combinations(_WITH, count)
]


@dataclass
class Seen:
    stops: Stops = field(default_factory=Stops)
    written_s: float = 0.0
    ready_s: float = 0.0
    broken: list[str] = field(default_factory=list)


def poisons() -> dict[str, Callable[[Redis], None]]:
    return {
        "names that are none": poison_names,
        **{f"a {kind} in each key": partial(poison_type, kind=kind) for kind in WRITES},
        **{f"{value[:60]!r}": partial(poison_values, value=value) for value in VALUES},
    }


def poisoned_redis(folder: Path, size: Size) -> Row:
    seen, chosen = Seen(), list(poisons().items())
    if not size.full:
        chosen = [chosen[1 + list(WRITES).index("list")], chosen[-3]]
    gone = EVICTIONS[: size.of(len(EVICTIONS), 1)]
    with (
        redis_server(folder / "redis") as server,
        Redis.from_url(server.url) as client,
        controller(folder, server.url, rules=RULES) as upshift,
        agents(folder, server.url, "a", "b") as fleet,
    ):
        for number, (name, inject) in enumerate(chosen):
            inject(client)
            if number % STARTS_EVERY == 0:
                _start_anew(upshift, seen)
            _is_well(upshift, fleet, f"boosted-{number}", name, seen)
        _outlives(upshift, fleet, folder, server.url, client, gone, seen)
    return Row(
        fault="garbage in every key of Redis, and keys that are gone under a fleet's cap",
        injected=len(chosen) + len(gone),
        promised=f"{PROMISED}; alerts granted and ended; a lost plan back ≤ {WRITTEN_S:g} s; "
        f"ready ≤ {READY_S:g} s after a start",
        worst=f"{seen.stops.worst}; plan back after {seen.written_s:.1f} s; ready after "
        f"{seen.ready_s:.1f} s",
        broken=[*seen.broken, *seen.stops.broken],
    )


def _start_anew(upshift: Controller, seen: Seen) -> None:
    upshift.kill()
    began = time.monotonic()
    upshift.spawn()
    eventually(lambda: upshift.get("/-/ready"), within_s=60)
    seen.ready_s = max(seen.ready_s, took_s := time.monotonic() - began)
    if took_s > READY_S:
        seen.broken.append(f"ready {took_s:.1f} s after a start")


def _is_well(upshift: Controller, fleet: Agents, service: str, after: str, seen: Seen) -> None:
    """A cap binds, an alert boosts, and what has expired is reverted."""
    if seen.stops.stop(upshift, fleet, after):
        upshift.release("fleet")
    answer = upshift.notify(firing(), firing(service=service))
    if answer.status_code != 200 or answer.json()["counts"] != {"granted": 2}:
        seen.broken.append(f"{after}: alerts were answered {answer.text}")
    for back in (f"service/{service}", "service/checkout"):
        eventually(lambda: not _own(upshift, back), within_s=15)  # noqa: B023
    eventually(lambda: fleet.all_at(19), within_s=15)


def _own(upshift: Controller, target: str) -> list[str]:
    """Its own leases: a schedule's, of the fleet, is there from one full minute to the next."""
    return [it["id"] for it in upshift.target(target)["leases"] if it["target"] == target]


def _outlives(
    upshift: Controller,
    fleet: Agents,
    folder: Path,
    url: str,
    client: Redis,
    evictions: list[dict[str, str]],
    seen: Seen,
) -> None:
    """A cap on the fleet that loses its keys binds all the same whoever starts later."""
    seen.stops.stop(upshift, fleet, "before its keys were lost")
    with ExitStack() as stack:
        for number, gone in enumerate(evictions):
            client.delete(*gone.values())
            if number % 2 == 0:  # a change that is faster than the sweep
                upshift.lease(target="fleet", kind="boost", hz=99, duration="1s")
            began = time.monotonic()
            try:
                eventually(lambda: _capped(client), within_s=WRITTEN_S)
            except AssertionError:
                seen.broken.append(f"without {', '.join(gone)} there was no plan any more")
                return
            seen.written_s = max(seen.written_s, time.monotonic() - began)
            if number % 4 == 0:
                newcomer = stack.enter_context(agents(folder, url, f"new-{number}"))
                eventually(lambda: newcomer.all_at(0))  # noqa: B023
        if not fleet.all_at(0):
            seen.broken.append(f"agents that had the cap went to {fleet.hz()}")


def _capped(client: Redis) -> bool:
    """The plan says so, there is a state, and `due` has its end."""
    stored = client.get(KEYS.plan(FLEET))
    if not stored or not client.exists(KEYS.state(FLEET)):
        return False
    leases = [(it.kind, it.hz) for it in decode_plan(stored).leases]
    return ("cap", 0) in leases and client.zscore(KEYS.due, FLEET) is not None
