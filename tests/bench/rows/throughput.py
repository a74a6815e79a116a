"""How many webhooks and alerts one controller process takes in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

from servers import HttpServer

from .. import stage
from ..alerts import WEBHOOK, group, one
from ..load import flood, request
from ..results import Goal, Row, at_least_times, in_turns
from ..sizes import Size

SERVICES_A_GROUP = 10
INSTANCES = 10
GROUPS_A_SECOND = 15_000


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load; `single` and the like return what it took in per second."""

    server: HttpServer
    path: str
    numbers: count[int]
    size: Size

    def single(self, _: int = 0) -> float:
        """Webhooks of one alert each, all of targets never heard of."""
        names = (f"svc-{next(self.numbers)}" for _ in range(self.size.webhooks))
        return self.send([request(self.path, one(name)) for name in names])

    def send(self, requests: Sequence[bytes]) -> float:
        return len(requests) / flood(self.server.port, requests, self.size.connections)


@contextmanager
def servers(size: Size, folder: Path) -> Iterator[tuple[Target, Target]]:
    """The controller and its floor, warmed up."""
    with (
        stage.valkey(folder / "valkey") as redis,
        stage.controller(folder / "upshift", redis.url) as upshift,
        stage.floor_receiver(folder / "floor", redis.url) as bare,
    ):
        pair = (
            Target(upshift, WEBHOOK, count(), size),
            Target(bare, "/", count(), size),
        )
        for target in pair:
            target.single()
        yield pair


def webhooks(size: Size, folder: Path) -> Iterator[Row]:
    with servers(size, folder) as (product, floor):
        rounds = in_turns(size.rounds, product.single, floor.single)
    yield Row(
        name="webhooks of one alert, distinct targets",
        unit="per s",
        product=rounds[0],
        floor=rounds[1],
        goal=at_least_times(0.6),
    )


def groups(size: Size, folder: Path) -> Iterator[Row]:
    with servers(size, folder) as (product, _):

        def grouped(_: int) -> float:
            bodies = [
                group([f"grp-{next(product.numbers)}" for _ in range(SERVICES_A_GROUP)], INSTANCES)
                for _ in range(size.groups)
            ]
            alerts = SERVICES_A_GROUP * INSTANCES
            return alerts * product.send([request(WEBHOOK, body) for body in bodies])

        rounds = in_turns(size.rounds, grouped, product.single)
    yield Row(
        name="alerts in groups of 100, beside single alerts",
        unit="per s",
        product=rounds[0],
        floor=rounds[1],
        goal=Goal(
            f"≥ {GROUPS_A_SECOND:,}/s, ≥ 10 ×",
            lambda rate, ratio: rate >= GROUPS_A_SECOND and ratio is not None and ratio >= 10,
        ),
        note="beside it: single alerts",
    )


def duplicates(size: Size, folder: Path) -> Iterator[Row]:
    random = Random(4)
    with servers(size, folder) as (product, _):
        known = [request(WEBHOOK, one(f"known-{n}")) for n in range(min(200, size.webhooks))]
        product.send(known)

        def repeated(_: int) -> float:
            requests = random.choices(known, k=size.webhooks)
            for place in range(0, size.webhooks, 100):  # 1 % is news
                requests[place] = request(WEBHOOK, one(f"new-{next(product.numbers)}"))
            return product.send(requests)

        rounds = in_turns(size.rounds, repeated, product.single)
    yield Row(
        name="webhooks, 99 % repeats, beside single alerts",
        unit="per s",
        product=rounds[0],
        floor=rounds[1],
        goal=at_least_times(1.5),
        note="beside it: single alerts",
    )
