"""A fuzzer over webhook, API and what Redis holds, that checks one thing after each sequence:

once Redis has answered for 2 s, `cap fleet --hz 0` is granted within 2 s, every agent that is
connected is at 0 within 2 s more (one that was cut off: within its resync), and after its end every
agent is where `resolve` puts it.

A sequence follows from its seed alone. To see one again: `python -m reliability.invariant SEED`, in
the folder `tests`.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis
import requests

from servers import eventually, redis_server
from upshift_agent.contract import FLEET

from .disturbances import HOME, KEYS, RESYNC_S, RULES, World, act
from .parts.controllers import controller
from .table import Row, Size

GRANTED_S = 2.0
APPLIED_S = 2.0
CAP_S = 3
#: For an agent that was cut off: its resync with its jitter, a time-out, and its longest backoff.
CUT_OFF_S = 1.2 * RESYNC_S + 5 + 3
#: Nothing of a boost or an override is left by then, nor of what an agent has missed meanwhile.
SETTLED_S = CUT_OFF_S + 4


@dataclass
class Seen:
    granted_s: float = 0.0
    applied_s: float = 0.0


def check(world: World, seen: Seen) -> str | None:
    """What is wrong, if anything."""
    _healed(world)
    began = time.monotonic()
    said: object = None
    while True:
        try:
            said = world.upshift.lease(target=FLEET, kind="cap", hz=0, duration=f"{CAP_S}s")
            if said["outcome"] == "granted":
                break
        except (requests.RequestException, OSError) as error:
            answer = getattr(error, "response", None)
            said = error if answer is None else f"{answer.status_code} {answer.text[:300]}"
        if time.monotonic() - began > GRANTED_S:
            return f"cap fleet was not granted within {GRANTED_S} s: {said}"
        time.sleep(0.05)
    granted_at = time.monotonic()
    seen.granted_s = max(seen.granted_s, granted_at - began)
    if granted_at - began > GRANTED_S:
        return f"cap fleet was granted after {granted_at - began:.1f} s"
    with world.client() as client:
        ((_, connected),) = client.pubsub_numsub(KEYS.changes(FLEET))
    all_connected = connected >= len(world.fleet)  # the agents of a process share a connection
    # An agent that was cut off may miss a cap that ends before its resync: it must not be wrong.
    within_s = APPLIED_S if all_connected else CAP_S
    with suppress(AssertionError):
        eventually(lambda: not any(world.hz().values()), within_s=within_s)
    if any(world.hz().values()) and all_connected:
        return f"not all at 0 within {APPLIED_S} s: {world.hz()}"
    if all_connected:
        seen.applied_s = max(seen.applied_s, time.monotonic() - granted_at)
    time.sleep(max(0.0, granted_at + CAP_S - time.monotonic()))  # its end
    try:
        eventually(lambda: _as_resolved(world), within_s=SETTLED_S)
    except AssertionError as error:
        return f"agents by {world.leases()}, not where resolve puts them: {error}"
    return None


def _healed(world: World) -> None:
    """Return once Redis has answered for 2 s and a controller is there."""
    if world.redis.process is None:
        world.redis.start()
    world.redis.thaw()
    answers_since = time.monotonic()
    deadline = answers_since + 30
    healthy = False
    while not healthy or time.monotonic() - answers_since < 2:
        assert time.monotonic() < deadline, "neither Redis nor the controller comes back"
        try:
            world.redis.ping()
        except redis.RedisError:
            answers_since = time.monotonic()
        if world.upshift.process is None or world.upshift.process.poll() is not None:
            world.upshift.spawn()  # as whoever runs it does
        with suppress(OSError):
            world.upshift.get("/-/healthy")
            healthy = True
        time.sleep(0.05)


def _as_resolved(world: World) -> bool:
    """What the drivers were told last is what the controller computes, with `resolve`, for each."""
    view = world.upshift.target(HOME)
    wanted = {it["instance"]: it["requested"]["profiles"]["cpu"]["hz"] for it in view["agents"]}
    now = world.hz()
    assert now == {key: wanted.get(key) for key in now}, (now, wanted)
    return True


@contextmanager
def world_of(seed: int, folder: Path) -> Iterator[World]:
    with (
        redis_server(folder / "redis") as server,
        controller(folder, server.url, rules=RULES) as upshift,
        ExitStack() as stack,
    ):
        world = World(random.Random(seed), folder, server, upshift, {})
        stack.callback(lambda: [one.close() for _, one in world.fleet.values()])
        for _ in range(2):
            world.start_agent()
        yield world


def play(seed: int, folder: Path, sequences: int, seen: Seen) -> str | None:
    """What broke, with the seed and all that was done, if anything did."""
    done: list[str] = []
    with world_of(seed, folder) as world:
        for _ in range(sequences):
            done.append(" ".join(act(world, world.dice.randint(2, 12))))
            try:
                fault = check(world, seen)
            except AssertionError as error:
                fault = str(error)
            if fault:
                return f"seed {seed}: {fault}\nafter {' | '.join(done)}"
    return None


def invariant(folder: Path, size: Size) -> Row:
    """Worlds of a few sequences each, until the time is over; the first ones are the same ever."""
    until = time.monotonic() + size.of(480, 1)
    broken: list[str] = []
    seen = Seen()
    worlds, each = 0, size.of(6, 1)
    while not worlds or time.monotonic() < until:
        worlds += 1
        if fault := play(worlds, folder / str(worlds), each, seen):
            broken.append(fault)
    return Row(
        fault="anything, in any order",
        injected=worlds * each,
        promised="cap fleet granted ≤ 2 s, obeyed ≤ 2 s; then as resolved",
        worst=f"granted {seen.granted_s:.2f} s, obeyed {seen.applied_s:.2f} s",
        broken=broken,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        for number in sys.argv[1:]:
            fault = play(int(number), Path(temporary) / number, 6, Seen())
            sys.stdout.write(f"{number}: {fault or 'held'}\n")
