"""How long a switch of pyroscope-io's frequency leaves it blind."""

from __future__ import annotations

from ...measuring.row import Line, Row, Sampler, at_most_times
from ...measuring.side import Side
from ...parts.sink import sink


def product(side: Side) -> Sampler:
    return _switches(side, side.product("switch.py", side.enter(sink()).url("product")))


def floor(side: Side) -> Sampler:
    return _switches(side, side.floor("switch.py", side.enter(sink()).url("floor")))


def _switches(side: Side, command: list[str]) -> Sampler:
    """Milliseconds, the mean of one switch up and one down."""
    program = side.start(command)[0]

    def sample() -> tuple[float]:
        taken = [float(ms) for ms in program.ask(2).split()]
        return (sum(taken) / len(taken),)

    return sample


LINE = Line("frequency switch, without samples", "ms", at_most_times(1.2))
ROWS = [Row(lines=[LINE], product=product, beside=floor, seconds=2.5)]
