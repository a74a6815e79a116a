"""How the cost grows: with the agents, with the targets stored, with the leases of a target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from .. import stage
from ..load import Caller
from ..results import Paired, Rounds, Row
from ..seeding import now_ms, seed_states
from ..sizes import Size
from .latency import Servers
from .stored import LONG_MS, Stored, stored

AGENTS = "receipt → last agent, agents"
TARGETS = "commit, targets stored"
LEASES = "commit, leases of the target"


def agents(size: Size, folder: Path) -> Iterator[Row]:
    with ExitStack() as stack:
        servers = Servers.start(stack, folder)
        steps = {
            count: servers.crowds(stack, count, min(size.crowd_processes, count))
            for count in size.agents_curve
        }
        taken = {count: Paired() for count in steps}
        for _ in range(size.rounds):
            for count, (product, floor) in steps.items():
                pause_s = min(size.crowd_pause_s, 0.05 + count / 1000)
                taken[count].product.append(median(product.changes(4, pause_s)))
                taken[count].floor.append(median(floor.changes(4, pause_s)))
    for count, paired in taken.items():
        ours, theirs = paired.rounds()
        yield _point(AGENTS, count, ours, theirs)


def targets(size: Size, folder: Path) -> Iterator[Row]:
    with ExitStack() as stack:
        steps = {
            count: stack.enter_context(stored(folder / str(count), count, 1))
            for count in size.targets_curve
        }
        yield from _commits(TARGETS, steps, size)


def leases(size: Size, folder: Path) -> Iterator[Row]:
    with (
        stage.valkey(folder / "valkey") as redis,
        redis.client() as client,
        stage.controller(folder / "upshift", redis.url) as upshift,
        Caller(upshift.port) as caller,
    ):
        steps = {}
        for count in size.leases_curve:
            names = [f"service/l{count}-seed-{n}" for n in range(20)]
            seed_states(client, names, count, now_ms(client) + LONG_MS)
            steps[count] = Stored(caller, len(names), prefix=f"l{count}-seed")
            steps[count].commits(5)
        yield from _commits(LEASES, steps, size)


def _commits(curve: str, steps: dict[int, Stored], size: Size) -> Iterator[Row]:
    taken: dict[int, list[float]] = {count: [] for count in steps}
    for _ in range(size.rounds):
        for count, ready in steps.items():
            taken[count].append(ready.commits(size.commits))
    for count, values in taken.items():
        yield _point(curve, count, Rounds(values))


def _point(curve: str, count: int, product: Rounds, floor: Rounds | None = None) -> Row:
    return Row(
        name=f"growth: {curve}: {count:,}",
        unit="ms",
        product=product,
        floor=floor,
        curve=(curve, count),
    )
