"""What the fuzzer of the invariant does to a fleet, a controller and their Redis."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import requests

from servers import RedisServer
from upshift_agent.contract import FLEET, Keys

from .parts.agents import Agents, agents
from .parts.controllers import Controller, firing

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
RESYNC_S = 5.0


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
