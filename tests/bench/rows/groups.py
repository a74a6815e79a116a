"""How many alerts a controller takes in when a hundred come together."""

from __future__ import annotations

from itertools import count

from ..measuring.row import Bound, Goal, Line, Row, Sampler
from ..measuring.side import Side
from ..parts.alerts import group
from ..parts.flooding import Load, singles

SERVICES_A_GROUP = 10
INSTANCES = 10
A_SECOND = 15_000


def grouped(side: Side) -> Sampler:
    load, numbers = Load(side, side.controller), count()

    def sample() -> tuple[float, float]:
        requests = []
        for _ in range(side.of(25, tiny=2)):
            services = [f"grp-{next(numbers)}" for _ in range(SERVICES_A_GROUP)]
            requests.append(load.request(group(services, INSTANCES)))
        return load.send(requests, SERVICES_A_GROUP * INSTANCES)

    sample()
    return sample


GOAL = Goal(
    f"≥ {A_SECOND:,}/s, ≥ 10 ×",
    (Bound("product", A_SECOND, at_least=True), Bound("ratio", 10, at_least=True)),
)
NAME = "alerts in groups of 100, beside single alerts"
LINES = [Line(NAME, "per s", GOAL, more_is_better=True), Line(f"{NAME}: CPU", "µs each")]
ROWS = [Row(lines=LINES, product=grouped, beside=lambda side: singles(side, side.controller))]
