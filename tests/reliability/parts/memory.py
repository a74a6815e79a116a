"""How the resident memory of a process goes."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from statistics import linear_regression

from ..table import Size

#: The controller's resident memory may grow by this; a leak of a kilobyte a webhook is more.
FLAT_MB_A_MINUTE = 10.0


class Memory:
    """The resident memory of a process, looked at twice a second."""

    def __init__(self, pid: int) -> None:
        self._statm = Path(f"/proc/{pid}/statm")
        self._done = threading.Event()
        self.samples: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._watch, name="memory")

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.5):
            mb = int(self._statm.read_text().split()[1]) * 4096 / 1e6
            self.samples.append((time.monotonic(), mb))

    @property
    def mb_a_minute(self) -> float:
        """The slope over the second half; in the first, buffers and caches fill."""
        half = self.samples[len(self.samples) // 2 :]
        slope, _ = linear_regression(*zip(*half, strict=True))
        return slope * 60

    @property
    def shown(self) -> str:
        return f"memory {self.mb_a_minute:+.1f} MB/min at {self.samples[-1][1]:.0f} MB"

    def broken(self, size: Size) -> list[str]:
        # A few seconds, as in the small size, are no time to tell a slope from a step.
        return [self.shown] if size.full and self.mb_a_minute > FLAT_MB_A_MINUTE else []
