"""What is stored already must not make a commit slower, nor a mass of expiries late."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median

from servers import RedisServer

from .. import stage
from ..alerts import WEBHOOK, one
from ..load import Caller
from ..results import Rounds, Row, at_most, at_most_times, in_turns
from ..seeding import now_ms, seed_states
from ..sizes import Size

LONG_MS = 20 * 60 * 60 * 1000


class Stored:
    """A controller over so many targets, with so many leases each."""

    def __init__(self, caller: Caller, targets: int, prefix: str = "seed") -> None:
        self._caller = caller
        self._targets = targets
        self._prefix = prefix
        self._random = Random(4)

    def commits(self, count: int) -> float:
        """Median milliseconds from POST to answer, each an alert about a target that is stored.

        The alert before it lets the controller remember the target, as most that alert have done
        before; of the first since its start it reads the state as well.
        """
        taken = []
        for _ in range(count):
            target = f"{self._prefix}-{self._random.randrange(self._targets)}"
            self._caller.post(WEBHOOK, one(target))
            body = one(target)
            began = time.perf_counter()
            self._caller.post(WEBHOOK, body)
            taken.append((time.perf_counter() - began) * 1000)
        return median(taken)


@contextmanager
def stored(folder: Path, targets: int, leases: int) -> Iterator[Stored]:
    with stage.valkey(folder / "valkey") as redis:
        with redis.client() as client:
            names = (f"service/seed-{n}" for n in range(targets))
            seed_states(client, names, leases, now_ms(client) + LONG_MS)
        with (
            stage.controller(folder / "upshift", redis.url) as upshift,
            Caller(upshift.port) as caller,
        ):
            ready = Stored(caller, targets)
            ready.commits(10)
            yield ready


def commit(size: Size, folder: Path) -> Iterator[Row]:
    few = 10
    with (
        stored(folder / "many", size.targets, size.leases) as many,
        stored(folder / "few", few, 1) as little,
    ):
        rounds = in_turns(
            size.rounds,
            lambda _: many.commits(size.commits),
            lambda _: little.commits(size.commits),
        )
    yield Row(
        name=f"commit, {size.targets:,} targets and {size.targets * size.leases:,} leases stored, "
        f"beside {few} and {few}",
        unit="ms",
        product=rounds[0],
        floor=rounds[1],
        goal=at_most_times(1.2),
    )


def due(size: Size, folder: Path) -> Iterator[Row]:
    taken = []
    with (
        stage.valkey(folder / "valkey") as redis,
        stage.controller(folder / "upshift", redis.url) as upshift,
        redis.client() as client,
        Caller(upshift.port) as caller,
    ):
        for number in range(size.rounds):
            names = [f"service/due-{number}-{n}" for n in range(size.due)]
            ahead_ms = 2500 + size.due // 4  # until it is seeded, and the controller is told
            expires_at_ms = now_ms(client) + ahead_ms
            seed_states(client, names, 1, expires_at_ms)
            # The controller looks every 5 s at what others have granted; a lease of its own that
            # ends before makes it look at once.
            wake = {"target": f"service/wake-{number}", "kind": "boost", "hz": 50}
            caller.post("/api/v1/leases", json.dumps(wake | {"duration": "1s"}).encode())
            taken.append(_until_published(redis, len(names), expires_at_ms / 1000))
    yield Row(
        name=f"{size.due:,} leases due at once, until the last is published",
        unit="s",
        product=Rounds(taken),
        goal=at_most(2, "s"),
    )


def _until_published(redis: RedisServer, count: int, due_s: float) -> float:
    """Seconds after `due_s` (Unix time) when `count` plans of these targets have been pushed."""
    with socket.create_connection(("127.0.0.1", redis.port)) as connection:
        connection.settimeout(60)
        connection.sendall(b"PSUBSCRIBE upshift:v1:*service/due-*:changes\r\n")
        seen = 0
        rest = b""
        while seen < count:
            rest += connection.recv(1 << 20)
            *lines, rest = rest.split(b"\r\n")
            seen += lines.count(b"pmessage")
    return time.time() - due_s
