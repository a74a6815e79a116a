"""How much time there was to be seen of a busy process, whoever else is busy on its machine."""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from host.processes import identified
from host.receiver import Ingested
from upshift_host.drivers.jfr.recording import JVM_THREADS
from upshift_host.drivers.watching import Watch

EVERY_S = 0.2


class Spent:
    """Notes, as time goes by, what a process has spent. ready: the time counts, too, that it waited
    for a CPU, for profilers that ask whether a thread sleeps, and not whether it runs."""

    def __init__(self, pid: int, *, ready: bool = False) -> None:
        self._watch = Watch([identified(pid)], besides=JVM_THREADS)
        self._ready = ready
        self._at_s: list[float] = []
        self._spent_s: list[float] = []

    def note(self) -> None:
        if (seconds := self._watch.seconds()) is not None:
            self._at_s.append(time.time())
            self._spent_s.append(seconds.runnable if self._ready else seconds.cpu)

    def between(self, from_s: float, until_s: float) -> float:
        """Seconds spent; Unix time."""
        return self._until(until_s) - self._until(from_s)

    def _until(self, moment_s: float) -> float:
        place = min(max(bisect(self._at_s, moment_s), 1), len(self._at_s) - 1)
        (before, after), (low, high) = self._at_s[place - 1 :][:2], self._spent_s[place - 1 :][:2]
        return low + (high - low) * (moment_s - before) / (after - before)

    def assert_counted(self, windows: Sequence[Ingested], *, random: bool) -> None:
        """As many samples of one frequency as were to be expected, within 10 %.

        random: whether chance draws them, so that three times √N is allowed besides.
        """
        (hz,) = {it.hz for it in windows}
        expected = hz * sum(self.between(it.from_s, it.until_s) for it in windows)
        seen = sum(it.samples for it in windows)
        slack = 0.1 * expected + (3 * math.sqrt(expected) if random else 2)
        assert abs(seen - expected) <= slack, (hz, seen, expected)


@contextmanager
def noting(*all_: Spent) -> Iterator[None]:
    """All of these, on a thread."""
    over = threading.Event()

    def note() -> None:
        while True:
            for one in all_:
                one.note()
            if over.wait(EVERY_S):
                return

    thread = threading.Thread(target=note)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
