"""A busy worker's own account of its time, for the span of any profile. Pure."""

from __future__ import annotations

from bisect import bisect_left

#: Rows that are kept; a worker writes some thirty a second.
ROWS = 30_000


class BusyTime:
    """Rows of Unix seconds and of seconds that the thread has run or was ready to, both growing.

    Ready counts, because pyroscope-io asks the kernel whether a thread sleeps, and one that waits
    for a CPU does not. Where there is more work than cores it is sampled while it waits, too.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[float, float]] = []

    def add(self, line: str) -> None:
        """One line of a worker: Unix seconds, CPU seconds, seconds waited for a CPU."""
        at, cpu, waited = map(float, line.split())
        self._rows.append((at, cpu + waited))
        if len(self._rows) > ROWS:
            del self._rows[: ROWS // 10]

    def covers(self, from_s: float, until_s: float) -> bool:
        return bool(self._rows) and self._rows[0][0] <= from_s and until_s <= self._rows[-1][0]

    def busy(self, from_s: float, until_s: float) -> float:
        """Busy seconds between two moments that it covers."""
        return self._at(until_s) - self._at(from_s)

    def _at(self, moment: float) -> float:
        """Interpolated between the rows around it."""
        after = max(1, bisect_left(self._rows, (moment, 0.0)))
        (left, low), (right, high) = self._rows[after - 1 : after + 1]
        return low + (high - low) * (moment - left) / (right - left)
