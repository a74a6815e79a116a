"""What a benchmark measured: blocks → medians, ratios, intervals, verdicts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Any

from ..measuring.row import Line, Of

LEVEL = 0.95


def interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float] | None:
    """Where the median of what `values` were drawn from lies, in `level` of all cases.

    It goes from the k-th least to the k-th greatest, with the highest k that will do: each value is
    below the true median as often as a coin shows heads, whatever the noise looks like. Six values
    are the fewest for 95 %: all of them are above it, or below it, once in 32 times. None for less.
    """
    count, ordered = len(values), sorted(values)
    outside, found = 0.0, None
    for k in range((count + 1) // 2):
        outside += 2 * comb(count, k) / 2**count
        if outside > 1 - level:
            break
        found = ordered[k], ordered[-1 - k]
    return found


@dataclass(frozen=True, slots=True)
class Rounds:
    """One figure for each block, in the order in which they were taken."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self.values), max(self.values)


@dataclass(frozen=True, slots=True)
class Block:
    """Samples of both sides, taken in turn: the n-th of one and of the other are a pair."""

    product: Sequence[float]
    floor: Sequence[float] | None = None

    def ratio(self, line: Line) -> float | None:
        """The median of the pairs' ratios: what slows down a pair slows down both.

        Of a line that is no median, such as a percentile: the ratio of both figures. None if one of
        them is nothing.
        """
        if self.floor is None:
            return None
        pairs = list(zip(self.product, self.floor, strict=True))
        if line.condense is not median:
            pairs = [(line.condense(self.product), line.condense(self.floor))]
        ratios = [ours / theirs for ours, theirs in pairs if ours > 0 and theirs > 0]
        return median(ratios) if len(ratios) == len(pairs) else None


@dataclass(frozen=True, slots=True)
class Measured:
    """A line, and its blocks in the order in which they were taken."""

    line: Line
    blocks: Sequence[Block]

    @property
    def product(self) -> Rounds:
        return Rounds([self.line.condense(it.product) for it in self.blocks])

    @property
    def floor(self) -> Rounds | None:
        values = [self.line.condense(it.floor) for it in self.blocks if it.floor is not None]
        return Rounds(values) if values else None

    def series(self, of: Of) -> list[float]:
        """The blocks' own figures of one kind; none where there is nothing to compare with."""
        if of == "product":
            return list(self.product.values)
        if of == "ratio":
            ratios = (it.ratio(self.line) for it in self.blocks)
            return [it for it in ratios if it is not None]
        beside = self.floor.values if self.floor else ()
        return [ours - theirs for ours, theirs in zip(self.product.values, beside, strict=False)]

    @property
    def ratio(self) -> float | None:
        """The median of the blocks' own ratios."""
        ratios = self.series("ratio")
        return median(ratios) if ratios else None

    @property
    def telling(self) -> Of:
        """What the line is about: its ratio, where it has one that it is held to, or its figure."""
        if self.line.goal.bounds:
            return self.line.goal.bounds[-1].of
        return "ratio" if self.series("ratio") else "product"

    @property
    def interval(self) -> tuple[float, float] | None:
        return interval(self.series(self.telling))

    @property
    def held(self) -> bool | None:
        """None where there is no goal, or where the interval is on both sides of it."""
        verdicts = []
        for bound in self.line.goal.bounds:
            found = interval(self.series(bound.of))
            verdicts.append(None if found is None else bound.verdict(*found))
        if not verdicts or False in verdicts:
            return False if verdicts else None
        return None if None in verdicts else True

    def to_json(self) -> dict[str, Any]:
        found = self.interval
        return {
            "row": f"{self.line.name} ({self.line.unit})",
            "product": _short(self.product.median),
            "floor": None if self.floor is None else _short(self.floor.median),
            "ratio": None if self.ratio is None else _short(self.ratio),
            "interval": None if found is None else [_short(it) for it in found],
            "interval_of": self.telling,
            "goal": self.line.goal.text or None,
            "held": self.held,
        }


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _short(value: float) -> float:
    """Four figures are more than a shared machine is good for."""
    return float(f"{value:.4g}")
