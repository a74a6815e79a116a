"""How many webhooks of one alert each a controller takes in."""

from __future__ import annotations

from ..measuring.row import Line, Row, Sampler, at_least_times
from ..measuring.side import Side
from ..parts.flooding import singles


def product(side: Side) -> Sampler:
    return singles(side, side.controller)


def floor(side: Side) -> Sampler:
    return singles(side, side.floor_receiver, "/")


NAME = "webhooks of one alert, distinct targets"
LINES = [
    Line(NAME, "per s", at_least_times(0.6), more_is_better=True),
    Line(f"{NAME}: CPU", "µs each"),
]
ROWS = [Row(lines=LINES, product=product, beside=floor)]
