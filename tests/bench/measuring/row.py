"""What a file under `rows/` declares: what is measured, how, and which goal it has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .side import Side

#: What a goal or a comparison looks at: the product's own figure, its ratio to the floor, or how
#: far it is above the floor.
Of = Literal["product", "ratio", "over"]


@dataclass(frozen=True, slots=True)
class Bound:
    of: Of
    limit: float
    at_least: bool = False

    def verdict(self, low: float, high: float) -> bool | None:
        """Whether the whole of an interval is on the good side; None if it is on both."""
        if self.at_least:
            low, high, limit = -high, -low, -self.limit
        else:
            limit = self.limit
        if high <= limit:
            return True
        return False if low > limit else None


@dataclass(frozen=True, slots=True)
class Goal:
    """What a line is to reach: all of the bounds."""

    text: str = ""
    bounds: tuple[Bound, ...] = ()


def at_most(limit: float, unit: str) -> Goal:
    return Goal(f"≤ {limit:g} {unit}", (Bound("product", limit),))


def at_most_times(limit: float) -> Goal:
    return Goal(f"≤ {limit:g} ×", (Bound("ratio", limit),))


def at_least_times(limit: float) -> Goal:
    return Goal(f"≥ {limit:g} ×", (Bound("ratio", limit, at_least=True),))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    more_is_better: a rate, not a cost. condense: a block's samples → its figure. curve: the curve
    that this is a point of, and its place there.
    """

    name: str
    unit: str
    goal: Goal = Goal()
    more_is_better: bool = False
    condense: Callable[[Sequence[float]], float] = median
    curve: tuple[str, float] | None = None


#: Takes one short sample: a figure for each line of the row, in their order.
Sampler = Callable[[], Sequence[float]]
#: Starts the fresh processes of a side of the comparison, warms them up, returns what samples them.
Way = Callable[["Side"], Sampler]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Lines that are measured together: the product, and what stands beside it.

    seconds: how long a block of samples takes at least, beside its start. pause_s: between a sample
    of each side and the next, for what still goes on. blocks: how many, each with fresh processes;
    fewer than six have no interval. waits: its sample is one long wait, which other rows may fill.
    alone: its processes load the machine also between samples, so that two sides never live at the
    same time. compared: whether `BASE=` has it unless it is named.
    """

    lines: Sequence[Line]
    product: Way
    beside: Way | None = None
    seconds: float = 2.0
    pause_s: float = 0.0
    blocks: int = 6
    waits: bool = False
    alone: bool = False
    compared: bool = True
