"""Two windows of one service's profiles: which functions take more or less of it than before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from ..reading.tally import Tally
from .shares import CONFIDENCE, Difference, Share, difference, share_of, significant
from .student import quantile

#: Of the functions that are named as changed, at most this many are false, on average.
FALSE_RATE = 0.05
#: Functions that this many samples are expected of in neither window are not asked about.
LEAST_SAMPLES = 5.0
#: A change of this much of the whole should be seen, this often.
WANTED, POWER = 0.05, 0.8
#: Fewer sub-windows tell nothing of how they differ.
LEAST_WINDOWS = 4


class Kind(StrEnum):
    OWN = "self"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Window:
    """The profiles of some time. tallies: of each sub-window, in the order of time.
    samples: how many in all."""

    tallies: Sequence[Tally]
    samples: float

    @property
    def weight(self) -> float:
        return sum(tally.weight for tally in self.tallies)


@dataclass(frozen=True, slots=True)
class Change:
    """A function's share before and now."""

    function: str
    kind: Kind
    before: Share
    now: Share
    difference: Difference
    significant: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """changes: of every function that was asked about, largest difference first.
    least_seen: the smallest change, of the whole, that would be seen in four of five cases."""

    changes: Sequence[Change]
    least_seen: float

    @property
    def significant(self) -> list[Change]:
        return [change for change in self.changes if change.significant]

    @property
    def enough(self) -> bool:
        return self.least_seen <= WANTED

    def times_longer(self) -> int:
        """How many times as long both windows would have to be to see a change of 5 %."""
        return ceil((self.least_seen / WANTED) ** 2)


class TooLittle(ValueError):
    """Too few sub-windows hold anything to say how far they differ by chance."""


def compare(before: Window, now: Window) -> Comparison:
    """Raise `TooLittle` where one of the windows has fewer than 4 sub-windows with samples."""
    before, now = _filled(before, "before"), _filled(now, "in the window")
    found = list(_tested(before, now))
    if not found:
        return Comparison((), 1.0)
    believed = significant([one.p for *_, one in found], FALSE_RATE)
    changes = [
        Change(name, kind, *shares, one, certain)
        for (name, kind, shares, one), certain in zip(found, believed, strict=True)
    ]
    changes.sort(key=lambda change: (-abs(change.difference.value), change.function, change.kind))
    return Comparison(changes, max(_least_seen(one) for *_, one in found))


def top(window: Iterable[Tally], kind: Kind, count: int) -> list[tuple[str, float]]:
    """The functions that take most of a window, with their shares."""
    weight = 0.0
    sums: dict[str, float] = {}
    for tally in window:
        weight += tally.weight
        for name, value in _of(tally, kind).items():
            sums[name] = sums.get(name, 0.0) + value
    most = sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:count]
    return [(name, value / weight) for name, value in most] if weight else []


def _filled(window: Window, where: str) -> Window:
    held = [tally for tally in window.tallies if tally.weight > 0]
    if len(held) < LEAST_WINDOWS or window.samples < 2 * LEAST_SAMPLES:
        raise TooLittle(
            f"{where}: {window.samples:.0f} samples in {len(held)} sub-windows, of which at least"
            f" {LEAST_WINDOWS} are needed"
        )
    return Window(held, window.samples)


def _tested(
    before: Window, now: Window
) -> Iterable[tuple[str, Kind, tuple[Share, Share], Difference]]:
    for kind in Kind:
        sides = [_parts(window, kind) for window in (before, now)]
        names = sides[0].keys() | sides[1].keys()
        for name in sorted(names):
            shares = []
            expected = 0.0
            for window, parts in zip((before, now), sides, strict=True):
                wholes = [tally.weight for tally in window.tallies]
                share = share_of(parts.get(name) or [0.0] * len(wholes), wholes, window.samples)
                expected = max(expected, share.value * window.samples)
                shares.append(share)
            # What is in every stack, such as main, can neither grow nor shrink.
            if expected >= LEAST_SAMPLES and min(shares[0].value, shares[1].value) < 1:
                yield name, kind, (shares[0], shares[1]), difference(*shares)


def _parts(window: Window, kind: Kind) -> dict[str, list[float]]:
    parts: dict[str, list[float]] = {}
    for at, tally in enumerate(window.tallies):
        for name, value in _of(tally, kind).items():
            parts.setdefault(name, [0.0] * len(window.tallies))[at] = value
    return parts


def _of(tally: Tally, kind: Kind) -> Mapping[str, float]:
    return tally.own if kind is Kind.OWN else tally.total


def _least_seen(one: Difference) -> float:
    """Twice-sided at 95 %, seen with a probability of 80 % (0.4 of both tails lies beyond)."""
    return (quantile(1 - CONFIDENCE, one.dof) + quantile(2 * (1 - POWER), one.dof)) * one.error
