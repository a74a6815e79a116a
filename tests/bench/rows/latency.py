"""From a webhook's receipt to the call of the driver: one agent, and the last of a crowd."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import redis

from .. import stage
from ..alerts import WEBHOOK, shift
from ..load import Caller
from ..results import Rounds, Row, at_most_times, in_turns, percentile
from ..seeding import KEYS
from ..sizes import Size


class Way:
    """Where to post, and the programs that say when the last of their drivers was called."""

    def __init__(
        self,
        caller: Caller,
        path: str,
        service: str,
        heard: Sequence[stage.Program],
        client: redis.Redis,
    ) -> None:
        self._caller = caller
        self._client = client
        self._path = path
        self._service = service
        self._heard = heard

    def changes(self, count: int, pause_s: float) -> list[float]:
        """Milliseconds from the POST to the last call, for each of `count` changes: up, down, …"""
        # What a day of alerts has left there would be measured too; `stored` and `growth` do that.
        self._client.delete(KEYS.state(f"service/{self._service}"))
        taken = []
        for _ in range(count // 2):
            for body in shift(self._service):
                began_ns = time.monotonic_ns()
                self._caller.post(self._path, body)
                last_ns = max(int(it.line()) for it in self._heard)
                taken.append((last_ns - began_ns) / 1e6)
                time.sleep(pause_s)
        return taken


@dataclass(frozen=True, slots=True)
class Servers:
    """A Valkey, and callers of the controller and of the floor over it."""

    redis_url: str
    client: redis.Redis
    upshift: Caller
    bare: Caller

    @classmethod
    def start(cls, stack: ExitStack, folder: Path) -> Servers:
        server = stack.enter_context(stage.valkey(folder / "valkey"))
        upshift = stack.enter_context(stage.controller(folder / "upshift", server.url))
        bare = stack.enter_context(stage.floor_receiver(folder / "floor", server.url))
        return cls(
            server.url,
            stack.enter_context(server.client()),
            stack.enter_context(Caller(upshift.port)),
            stack.enter_context(Caller(bare.port)),
        )

    def ways(
        self,
        stack: ExitStack,
        service: str,
        product: Path,
        floor: Path,
        counts: Sequence[tuple[int, ...]],
    ) -> tuple[Way, Way]:
        """Product and floor, each with a program for every count, warmed up."""

        def programs(script: Path) -> list[stage.Program]:
            return [
                stack.enter_context(stage.program(script, self.redis_url, service, *count))
                for count in counts
            ]

        pair = (
            Way(self.upshift, WEBHOOK, service, programs(product), self.client),
            Way(self.bare, "/", service, programs(floor), self.client),
        )
        for way in pair:
            way.changes(2, 0.1)
        return pair

    def crowds(self, stack: ExitStack, count: int, processes: int) -> tuple[Way, Way]:
        """Product and floor, each with `count` subscribers, spread over so many processes."""
        shares = [(count // processes + (n < count % processes),) for n in range(processes)]
        name = "crowd.py"
        return self.ways(
            stack, f"crowd-{count}", stage.PRODUCTS / name, stage.FLOORS / name, shares
        )


def one_agent(size: Size, folder: Path) -> Iterator[Row]:
    pause_s = 0.03  # the agent's report goes out after 20 ms; it is no part of the way
    ours: list[list[float]] = []
    theirs: list[list[float]] = []

    def step(way: Way, rounds: list[list[float]]) -> float:
        rounds.append(way.changes(size.changes, pause_s))
        return median(rounds[-1])

    with ExitStack() as stack:
        scripts = stage.PRODUCTS / "agent.py", stage.FLOORS / "subscriber.py"
        product, floor = Servers.start(stack, folder).ways(stack, "checkout", *scripts, [()])
        p50 = in_turns(size.rounds, lambda _: step(product, ours), lambda _: step(floor, theirs))
    yield Row(
        name="receipt → driver, 1 agent, p50",
        unit="ms",
        product=p50[0],
        floor=p50[1],
        goal=at_most_times(2),
    )
    yield Row(
        name="receipt → driver, 1 agent, p99",
        unit="ms",
        product=Rounds([percentile(it, 0.99) for it in ours]),
        floor=Rounds([percentile(it, 0.99) for it in theirs]),
    )


def crowd(size: Size, folder: Path) -> Iterator[Row]:
    with ExitStack() as stack:
        servers = Servers.start(stack, folder)
        product, floor = servers.crowds(stack, size.crowd, size.crowd_processes)
        rounds = in_turns(
            size.rounds,
            lambda _: median(product.changes(size.crowd_changes, size.crowd_pause_s)),
            lambda _: median(floor.changes(size.crowd_changes, size.crowd_pause_s)),
        )
    yield Row(
        name=f"receipt → last of {size.crowd:,} agents",
        unit="ms",
        product=rounds[0],
        floor=rounds[1],
        goal=at_most_times(1.5),
    )
