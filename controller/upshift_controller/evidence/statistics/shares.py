"""A function's share of a window, and how far it can be trusted.

Samples are counted, but they are not independent: a burst of work fills many in a row, and one
instance does other work than the next. So the variance is not taken from the number of samples but
from sub-windows. The share is a ratio of two sums over them, part / whole, and its variance that of
a ratio estimator (Cochran, Sampling Techniques, 3rd edition, 6.4): with residuals
z = part - share * whole of K sub-windows, K / (K - 1) * sum(z²) / sum(whole)². Two corrections,
both towards wider intervals:

- where neighbouring sub-windows resemble each other (lag-1 autocorrelation r over 0, its bias of
  -1/K taken out), the variance is that of K (1 - r) / (1 + r) independent ones, as for batch means
  (Law and Kelton, Simulation Modeling and Analysis, 9.5.3);
- it is never less than that of as many independent samples, whose share is (n + 1) / (N + 2), so
  a function that was seen twice, or in one window alone, is not taken for certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from .student import quantile, two_sided

#: Intervals hold the true value this often.
CONFIDENCE = 0.95
#: More resemblance than this cannot be told from a trend by so few sub-windows.
_MOST_ALIKE = 0.8


@dataclass(frozen=True, slots=True)
class Share:
    """value: 0 to 1. error: standard error. dof: degrees of freedom of that error."""

    value: float
    error: float
    dof: float

    @property
    def half_width(self) -> float:
        """Of the 95 % interval."""
        return quantile(1 - CONFIDENCE, self.dof) * self.error


def share_of(parts: Sequence[float], wholes: Sequence[float], samples: float) -> Share:
    """The share of `parts` in `wholes`, one of each for a sub-window, in the order of time.

    samples: how many there are in all. At least two sub-windows must hold something.
    """
    whole, count = sum(wholes), len(wholes)
    value = sum(parts) / whole
    rests = [part - value * all_ for part, all_ in zip(parts, wholes, strict=True)]
    squares = sum(rest * rest for rest in rests)
    alike = 0.0
    if squares:
        neighbours = sum(a * b for a, b in pairwise(rests))
        alike = min(max(neighbours / squares + 1 / count, 0.0), _MOST_ALIKE)
    stretch = (1 + alike) / (1 - alike)
    between = count / (count - 1) * squares / whole**2 * stretch
    guess = (value * samples + 1) / (samples + 2)
    counted = guess * (1 - guess) / samples
    return Share(value, sqrt(max(between, counted)), max((count - 1) / stretch, 1.0))


@dataclass(frozen=True, slots=True)
class Difference:
    """now - before. p: the probability of a difference this large if nothing had changed."""

    value: float
    error: float
    dof: float
    p: float

    @property
    def half_width(self) -> float:
        return quantile(1 - CONFIDENCE, self.dof) * self.error


def difference(before: Share, now: Share) -> Difference:
    """Welch's: the two errors need not be alike, as 19 and 100 Hz are not."""
    value = now.value - before.value
    a, b = before.error**2, now.error**2
    error = sqrt(a + b)
    dof = (a + b) ** 2 / (a * a / before.dof + b * b / now.dof)
    return Difference(value, error, dof, two_sided(value / error, dof))


def significant(ps: Sequence[float], rate: float) -> list[bool]:
    """Which of many tests to believe, so that at most `rate` of those are false, on average.

    Benjamini and Hochberg, 1995; it holds also where functions of one stack move together.
    """
    order = sorted(range(len(ps)), key=ps.__getitem__)
    bound = 0.0
    for rank, at in enumerate(order, 1):
        if ps[at] <= rate * rank / len(ps):
            bound = ps[at]
    return [p <= bound for p in ps]
