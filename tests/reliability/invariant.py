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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import requests

from servers import RedisServer, eventually, redis_server
from upshift_agent.contract import FLEET, Keys

from .parts.agents import Agents, agents
from .parts.controllers import Controller, controller, firing
from .table import Row, Size

#: No longer than a cap, so that what Redis forgot, and agents keep to, ends before the look.
RULES = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 100, duration: 2s}
    - {trigger: high_latency, frequency: 49, duration: 3s, while_firing: true, cooldown: 1s}
    - {trigger: everyone, target: fleet, frequency: 60, duration: 2s, on_resolved: revert}
    - {trigger: some, frequency: 80, duration: 2s, fraction: 0.1}
limits: {max_boosted_agents: 50}
"""
HOME = "service/checkout"
KEYS = Keys()
GRANTED_S = 2.0
APPLIED_S = 2.0
CAP_S = 3
RESYNC_S = 5.0
#: For an agent that was cut off: its resync with its jitter, a time-out, and its longest backoff.
CUT_OFF_S = 1.2 * RESYNC_S + 5 + 3
#: Nothing of a boost or an override is left by then, nor of what an agent has missed meanwhile.
SETTLED_S = CUT_OFF_S + 4


@dataclass
class World:
    dice: random.Random
    folder: Path
    redis: RedisServer
    upshift: Controller
    fleet: dict[str, tuple[Agents, ExitStack]]
    born: int = 0

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.redis.port, socket_timeout=0.5, socket_connect_timeout=0.5)

    def start_agent(self) -> None:
        self.born += 1
        name, stack = f"agent-{self.born}", ExitStack()
        started = agents(
            self.folder / "agents",
            self.redis.url,
            name,
            f"{name}-twin",
            UPSHIFT_TEST_RESYNC_S=str(RESYNC_S),
        )
        self.fleet[name] = stack.enter_context(started), stack

    def leases(self) -> dict[str, str | None]:
        """Which lease decides for each agent."""
        calls = (call for one, _ in self.fleet.values() for call in one.calls)
        return {call.instance: call.lease for call in calls}

    def hz(self) -> dict[str, int]:
        return {key: hz for one, _ in self.fleet.values() for key, hz in one.hz().items()}


def _alert(world: World) -> None:
    names = ["HighCPU", "HighLatency", "Everyone", "Some", "nobody's"]
    alerts = [firing(world.dice.choice(names)) for _ in range(world.dice.randint(1, 20))]
    for it in alerts:
        it["fingerprint"] = f"{world.dice.randint(1, 30):016x}"
        it["status"] = world.dice.choice(["firing", "firing", "resolved"])
    world.upshift.notify(*alerts, timeout_s=2)


def _hostile_webhook(world: World) -> None:
    labels = {"alertname": "HighCPU", "service_name": "checkout"}
    body = world.dice.choice([
        b"",
        b"{",
        b"[" * 100_000,
        b'{"alerts": 7}',
        b'{"alerts": [{"labels": {"alertname": "\\ud800", "service_name": "checkout"}}]}',
        b'{"alerts": [' + b"1," * 10_000 + b"1]}",
    ])  # fmt: skip  # a list of bodies
    url = f"{world.upshift.url}/api/v1/webhook/alertmanager"
    requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=2)
    odd = world.dice.choice(["\ud800", "\n\r\x1b[2J", "x" * 100_000, "", "\x00", "{}", "é" * 300])
    world.upshift.notify(firing() | {"labels": labels | {"service_name": odd}}, timeout_s=2)
    world.upshift.notify(firing() | {"fingerprint": odd, "startsAt": odd}, timeout_s=2)


def _override(world: World) -> None:
    kind = world.dice.choice(["boost", "pin", "cap"])
    world.upshift.lease(
        target=world.dice.choice([HOME, FLEET, "service/other"]),
        kind=kind,
        hz=world.dice.randint(1, 150),
        duration=f"{world.dice.randint(1, 3)}s",
        where=world.dice.choice([{}, {"service.instance.id": "agent-1"}, {"no": ["body"]}]),
    )


def _release(world: World) -> None:
    world.upshift.release(world.dice.choice([HOME, FLEET]))


def _reload(world: World) -> None:
    file = Path(world.upshift.command[-1])
    file.write_text(world.dice.choice([RULES.replace("100", "90"), RULES + "nonsense: ["]))
    try:
        requests.post(f"{world.upshift.url}/-/reload", timeout=2)
    finally:
        file.write_text(RULES)


def _redis_freezes(world: World) -> None:
    world.redis.freeze()
    time.sleep(world.dice.choice([0.1, 1.0, 3.0]))  # the length of the fault
    world.redis.thaw()


def _redis_dies(world: World) -> None:
    world.redis.kill()
    time.sleep(world.dice.choice([0.0, 1.0]))  # the length of the fault
    world.redis.start()


def _redis_forgets(world: World) -> None:
    with world.client() as client:
        client.flushall()


def _key_is_poisoned(world: World) -> None:
    target = world.dice.choice([HOME, FLEET])
    key = world.dice.choice([
        KEYS.state(target), KEYS.plan(target), KEYS.history(target), KEYS.agents(target),
        KEYS.due, KEYS.targets, KEYS.reporting, KEYS.budget,
    ])  # fmt: skip  # a list of keys
    junk = world.dice.choice([b"", b"\xff\xfe", b"{", b"null", b'{"rev":1,"leases":7}'])
    with world.client() as client:
        kind = client.type(key)
        if kind == b"hash" and world.dice.random() < 0.5:
            client.hset(key, junk, junk)
        elif kind == b"zset" and world.dice.random() < 0.5:
            client.zadd(key, {junk: world.dice.choice([0, 1e15])})
        else:
            client.delete(key)
            put: Callable[[], Any] = world.dice.choice([
                lambda: client.set(key, junk),
                lambda: client.rpush(key, junk),
                lambda: client.zadd(key, {junk: 1}),
            ])  # fmt: skip  # a list of kinds
            put()


def _connections_are_cut(world: World) -> None:
    with world.client() as client:
        client.client_kill_filter(_type=world.dice.choice(["normal", "pubsub"]))


def _controller_dies(world: World) -> None:
    world.upshift.kill()
    world.upshift.spawn()


def _agent_dies(world: World) -> None:
    name = world.dice.choice(sorted(world.fleet))
    one, stack = world.fleet.pop(name)
    one.process.kill()
    stack.close()
    world.start_agent()


ACTIONS: list[Callable[[World], None]] = [
    *[_alert] * 5,
    _hostile_webhook,
    *[_override] * 3,
    _release,
    _reload,
    _redis_freezes,
    _redis_dies,
    _redis_forgets,
    *[_key_is_poisoned] * 2,
    _connections_are_cut,
    _controller_dies,
    _agent_dies,
]
#: What an action may meet, because of those before it: no answer, a refusal.
_MET = (requests.RequestException, redis.RedisError, OSError)


def act(world: World, count: int) -> list[str]:
    done = []
    for _ in range(count):
        action = world.dice.choice(ACTIONS)
        done.append(action.__name__.strip("_"))
        with suppress(*_MET):
            action(world)
    return done


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
    wanted = {it["instance"]: it["requested"]["hz"] for it in view["agents"]}
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
