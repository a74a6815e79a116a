"""How many windows this process's drivers have brought, and how many of them were off."""

from __future__ import annotations

import math
import threading
from collections import Counter
from dataclasses import dataclass, field

from upshift_host.profiles.window import Window

from .achieved import ENOUGH

#: Of the samples that were to be expected: a window that is off by more has missed.
MISS = 0.1
#: Chance takes N samples this many times √N away from what was to be expected, and seldom further.
CHANCE = 3.0


def missed(window: Window) -> bool:
    """Whether it has more or fewer samples than its profiler was asked for, by more than 10 % and
    by more than chance explains. Not where nobody knows what there was to be seen. Pure."""
    expected = (window.threads_s or 0.0) * window.hz
    slack = max(MISS * expected, CHANCE * math.sqrt(expected))
    return expected >= ENOUGH and abs(window.count - expected) > slack


#: A driver's name and a profile.
Kind = tuple[str, str]


@dataclass(slots=True)
class Counts:
    """Since the process began. lost: windows that brought nothing, by driver."""

    brought: Counter[Kind] = field(default_factory=Counter)
    missed: Counter[Kind] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)


class Tally:
    """From any threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counts()

    def took(self, window: Window) -> None:
        kind = (window.profiler, window.profile)
        with self._lock:
            self._counts.brought[kind] += 1
            self._counts.missed[kind] += missed(window)

    def lost(self, driver: str) -> None:
        with self._lock:
            self._counts.lost[driver] += 1

    def counts(self) -> Counts:
        """A copy."""
        with self._lock:
            counts = self._counts
            return Counts(counts.brought.copy(), counts.missed.copy(), counts.lost.copy())


#: The process's own, as its metrics are.
TALLY = Tally()
