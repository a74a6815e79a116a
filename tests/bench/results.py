"""What a benchmark measured: rounds → medians, ratios, and whether a goal was held. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Rounds:
    """One figure for each round, in the order in which they were taken."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self.values), max(self.values)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row is to reach. `holds` is handed the product's median and the ratio."""

    text: str = ""
    holds: Callable[[float, float | None], bool] | None = None


NO_GOAL = Goal()


def at_most(limit: float, unit: str) -> Goal:
    return Goal(f"≤ {limit:g} {unit}", lambda product, _: product <= limit)


def at_most_times(limit: float) -> Goal:
    return Goal(f"≤ {limit:g} ×", lambda _, ratio: ratio is not None and ratio <= limit)


def at_least_times(limit: float) -> Goal:
    return Goal(f"≥ {limit:g} ×", lambda _, ratio: ratio is not None and ratio >= limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. A floor's rounds were taken between the product's."""

    name: str
    unit: str
    product: Rounds
    floor: Rounds | None = None
    goal: Goal = NO_GOAL
    note: str = ""
    curve: tuple[str, float] | None = None  # the curve that this is a point of, and its place

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' own ratios: a machine that slows down slows down both."""
        if self.floor is None:
            return None
        pairs = zip(self.product.values, self.floor.values, strict=True)
        ratios = [ours / theirs for ours, theirs in pairs if theirs]
        return median(ratios) if ratios else None

    @property
    def held(self) -> bool | None:
        """None where there is no goal."""
        if self.goal.holds is None:
            return None
        return self.goal.holds(self.product.median, self.ratio)

    def to_json(self) -> dict[str, Any]:
        return {
            "row": f"{self.name} ({self.unit})",
            "product": _short(self.product.median),
            "floor": None if self.floor is None else _short(self.floor.median),
            "ratio": None if self.ratio is None else _short(self.ratio),
            "goal": self.goal.text or None,
            "held": self.held,
        }


@dataclass(slots=True)
class Paired:
    """Rounds of product and floor, taken in turns."""

    product: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)

    def rounds(self) -> tuple[Rounds, Rounds]:
        return Rounds(self.product), Rounds(self.floor)


def in_turns(
    rounds: int, product: Callable[[int], float], floor: Callable[[int], float]
) -> tuple[Rounds, Rounds]:
    """Take `rounds` of each, the floor first in every other pair. Both are handed the number."""
    taken = Paired()
    for number in range(rounds):
        steps = [(taken.product, product), (taken.floor, floor)]
        for values, step in steps if number % 2 else reversed(steps):
            values.append(step(number))
    return taken.rounds()


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _short(value: float) -> float:
    """Four figures are more than a shared machine is good for."""
    return float(f"{value:.4g}")
