"""The frequency that a profiler achieves: samples a second of the time that it watched. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

#: So many have to be expected before their number says anything within 10 %.
ENOUGH = 100.0


@dataclass(frozen=True, slots=True)
class _Seen:
    count: int
    threads_s: float


class Achieved:
    """Over the newest windows of one frequency: as few as say something."""

    def __init__(self, enough: float = ENOUGH) -> None:
        self._enough = enough
        self._hz = 0
        self._windows: deque[_Seen] = deque()

    def add(self, hz: int, count: int, threads_s: float | None) -> None:
        """threads_s: seconds of threads that were watched; None says nothing."""
        if hz != self._hz:
            self._hz, self._windows = hz, deque()
        if threads_s is None or threads_s <= 0:
            return
        self._windows.append(_Seen(count, threads_s))
        while self._expected() - self._windows[0].threads_s * hz >= self._enough:
            self._windows.popleft()

    def hz(self) -> float | None:
        """In samples a second; None while too little was to be seen."""
        if self._expected() < self._enough:
            return None
        return sum(seen.count for seen in self._windows) / self._seconds()

    def _seconds(self) -> float:
        return sum(seen.threads_s for seen in self._windows)

    def _expected(self) -> float:
        return self._seconds() * self._hz
