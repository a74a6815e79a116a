"""From a webhook's receipt to the call of the driver, one agent."""

from __future__ import annotations

from ..measuring.row import Line, Row, Sampler, at_most_times
from ..measuring.side import Side
from ..parts.alerts import WEBHOOK
from ..parts.latency import SERVICE, to_the_last
from ..telling.results import percentile

NAME = "receipt → driver, 1 agent"
PAUSE_S = 0.03  # the agent's report goes out after 20 ms


def product(side: Side) -> Sampler:
    heard = side.start(side.product("agent.py", side.redis.url, SERVICE))
    return _twice(to_the_last(side, side.controller, WEBHOOK, heard))


def floor(side: Side) -> Sampler:
    heard = side.start(side.floor("subscriber.py", side.redis.url, SERVICE))
    return _twice(to_the_last(side, side.floor_receiver, "/", heard))


def _twice(sample: Sampler) -> Sampler:
    def both() -> tuple[float, ...]:
        ms, cpu_ms = sample()
        return ms, ms, cpu_ms

    return both


LINES = [
    Line(f"{NAME}, p50", "ms", at_most_times(2)),
    Line(f"{NAME}, p99", "ms", condense=lambda values: percentile(values, 0.99)),
    Line(f"{NAME}, with its report: CPU", "ms"),
]
ROWS = [Row(lines=LINES, product=product, beside=floor, seconds=4, pause_s=PAUSE_S)]
