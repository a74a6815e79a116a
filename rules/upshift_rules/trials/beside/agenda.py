"""What is due in a trial, in order of time. At one moment leases end first, then windows begin."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import count

from .told import Planned

#: A target of which a lease ends, what a schedule asks for, or None: `stop_if` is to be asked.
What = str | Planned | None


class Agenda:
    """planned: what schedules ask for, in order of time; of these only the next one is entered,
    since there may be very many."""

    def __init__(self, planned: Iterable[Planned]) -> None:
        self._due: list[tuple[int, int, int, What]] = []
        self._numbers = count()
        self._planned = iter(planned)
        self._enter_planned()

    def enter(self, at_ms: int, what: What) -> None:
        order = 0 if isinstance(what, str) else 2 if what is None else 1
        heappush(self._due, (at_ms, order, next(self._numbers), what))

    def next(self, until_ms: int) -> tuple[int, What] | None:
        """Return what is due next, and when, if that is until then; it is due no more."""
        if not self._due or self._due[0][0] > until_ms:
            return None
        at_ms, _, _, what = heappop(self._due)
        if isinstance(what, Planned) and not what.again:
            self._enter_planned()
        return at_ms, what

    def _enter_planned(self) -> None:
        if (planned := next(self._planned, None)) is not None:
            self.enter(planned.at_ms, planned)
