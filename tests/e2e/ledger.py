"""The busy application's own account of its time, for the span of any profile."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ledger:
    """Rows of (Unix seconds, CPU seconds, seconds waited for a CPU), each growing."""

    rows: list[tuple[float, float, float]]

    @classmethod
    def read(cls, path: Path) -> Ledger:
        whole = path.read_text().rpartition("\n")[0]  # the last line may still be being written
        rows = [tuple(map(float, line.split())) for line in whole.splitlines()]
        return cls([(at, cpu, waited) for at, cpu, waited in rows])

    def reaches(self, moment: float) -> bool:
        return self.rows[-1][0] > moment

    def cpu(self, from_s: float, until_s: float) -> float:
        """CPU seconds between two moments."""
        return self._at(until_s, 1) - self._at(from_s, 1)

    def runnable(self, from_s: float, until_s: float) -> float:
        """Seconds on a CPU or waiting for one: what a profiler by the wall clock sees as running.

        pyroscope-io asks the kernel whether a thread sleeps, and one that waits for a CPU does
        not. Where there are more busy threads than cores it so counts the waiting too.
        """
        return self.cpu(from_s, until_s) + self._at(until_s, 2) - self._at(from_s, 2)

    def _at(self, moment: float, column: int) -> float:
        """The column at a moment, interpolated between the rows around it."""
        after = bisect_left(self.rows, moment, key=lambda row: row[0])
        if not 0 < after < len(self.rows):
            raise LookupError(f"the ledger does not reach {moment}")
        left, right = self.rows[after - 1], self.rows[after]
        share = (moment - left[0]) / (right[0] - left[0])
        return left[column] + share * (right[column] - left[column])
