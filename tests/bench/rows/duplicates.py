"""How many webhooks a controller takes in when nearly all of them repeat what it has heard."""

from __future__ import annotations

from random import Random

from ..measuring.row import Line, Row, Sampler, at_least_times
from ..measuring.side import Side
from ..parts.alerts import one
from ..parts.flooding import Load, singles


def repeated(side: Side) -> Sampler:
    load, random = Load(side, side.controller), Random(4)
    number = side.of(500, tiny=20)
    known = [load.request(one(f"known-{n}")) for n in range(side.of(200, tiny=20))]
    load.send(known)

    def sample() -> tuple[float, float]:
        requests = random.choices(known, k=number)
        for place in range(0, number, 100):  # 1 % is news
            requests[place : place + 1] = load.new(1)
        return load.send(requests)

    sample()
    return sample


NAME = "webhooks, 99 % repeats, beside single alerts"
LINES = [
    Line(NAME, "per s", at_least_times(1.5), more_is_better=True),
    Line(f"{NAME}: CPU", "µs each"),
]
ROWS = [Row(lines=LINES, product=repeated, beside=lambda side: singles(side, side.controller))]
