"""Where the newest decision stands with the driver. Pure: handed `now`, in monotonic seconds.

Newest wins, failures are retried, a driver that hangs is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..contract import State
from ..contract.resolve import Decision

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
#: A driver that takes longer is reported as not returning: in time for 5 s after the decision.
SLOW_AFTER_S = 4.0


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the driver has confirmed: Hz, for these revisions, at `at_s`."""

    hz: int
    revs: Mapping[str, int]
    at_s: float
    achieved_hz: float | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What there is to report; `slow_in_s` says when to look again if nothing happens."""

    state: State
    error: str | None
    confirmed: Confirmed | None
    slow_in_s: float | None


class Progress:
    """Where the newest decision stands with the driver."""

    def __init__(self) -> None:
        self.confirmed: Confirmed | None = None
        self._wanted: tuple[Decision, Mapping[str, int]] | None = None
        self._busy_since: float | None = None
        self._in_doubt = False  # after a failure nobody knows what the profiler does
        self._error: str | None = None
        self._failures = 0
        self._retry_at = 0.0

    def want(self, decision: Decision, revs: Mapping[str, int], now: float) -> None:
        if self._wanted is None or decision.hz != self._wanted[0].hz:
            self._failures, self._error, self._retry_at = 0, None, now
        self._wanted = decision, revs
        self._settle()

    def _settle(self) -> None:
        """Where the frequency stands already, newer revisions are applied without a call."""
        if self.confirmed is not None and self._wanted is not None and self._standing:
            self.confirmed = replace(self.confirmed, revs=self._wanted[1])

    @property
    def _standing(self) -> bool:
        """Whether the profiler is known to run as wanted."""
        if self._wanted is None or self.confirmed is None or self._in_doubt:
            return False
        return self._busy_since is None and self._wanted[0].hz == self.confirmed.hz

    def next(self, now: float) -> tuple[Decision, Mapping[str, int]] | float | None:
        """What to apply now, or else the seconds until there may be something; None: unknown."""
        if self._wanted is None or self._standing:
            return None
        if now < self._retry_at:
            return self._retry_at - now
        return self._wanted

    def begin(self, now: float) -> None:
        self._busy_since = now

    def idle(self) -> None:
        self._busy_since = None

    def succeed(
        self, hz: int, revs: Mapping[str, int], achieved_hz: float | None, now: float
    ) -> None:
        self._busy_since, self._error, self._failures = None, None, 0
        self._in_doubt = False
        self.confirmed = Confirmed(hz, revs, now, achieved_hz)
        self._settle()

    def fail(self, hz: int, error: str, now: float) -> None:
        self._busy_since = None
        self._in_doubt = True
        if self._wanted is not None and self._wanted[0].hz == hz:
            self._error = error
            self._retry_at = now + min(LONGEST_RETRY_S, FIRST_RETRY_S * 2**self._failures)
            self._failures = min(self._failures + 1, 10)

    def view(self, now: float) -> View:
        busy_s = 0.0 if self._busy_since is None else now - self._busy_since
        if busy_s >= SLOW_AFTER_S:
            error = f"driver has not returned for {busy_s:.0f} s"
            return View("applying", error, self.confirmed, None)
        if self._standing:
            return View("applied", None, self.confirmed, None)
        waits_s = 0.0 if self._busy_since is not None else max(0.0, self._retry_at - now)
        slow_in_s = waits_s + SLOW_AFTER_S - busy_s
        state: State = "applying" if self._error is None else "failed"
        return View(state, self._error, self.confirmed, slow_in_s)
