"""Where the newest decisions stand with the driver. Pure: handed `now`, in monotonic seconds.

Newest wins, failures are retried, a driver that hangs is noticed. The driver is called for all of
its profiles at once, so all of them stand together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..contract import Profile, State
from ..contract.resolve import Decision

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
#: A driver that takes longer is reported as not returning: in time for 5 s after the decision.
SLOW_AFTER_S = 4.0

#: What each profile of the driver is to do.
Decisions = Mapping[Profile, Decision]
#: The same in numbers: see `contract.profiles` for their units.
Frequencies = Mapping[Profile, int]


@dataclass(frozen=True, slots=True)
class Job:
    """Decisions, and the revisions of the plans that led to them."""

    decisions: Decisions
    revs: Mapping[str, int]
    hz: Frequencies = field(init=False)

    def __post_init__(self) -> None:
        hz = {profile: decision.hz for profile, decision in self.decisions.items()}
        object.__setattr__(self, "hz", hz)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the driver has confirmed, for these revisions, at `at_s`."""

    hz: Frequencies
    revs: Mapping[str, int]
    at_s: float
    achieved_hz: Mapping[Profile, float]


@dataclass(frozen=True, slots=True)
class View:
    """What there is to report; `slow_in_s` says when to look again if nothing happens."""

    state: State
    error: str | None
    confirmed: Standing | None
    slow_in_s: float | None


class Progress:
    """Where the newest decisions stand with the driver."""

    def __init__(self) -> None:
        self.confirmed: Standing | None = None
        self._wanted: Job | None = None
        self._busy_since: float | None = None
        self._in_doubt = False  # after a failure nobody knows what the profiler does
        self._error: str | None = None
        self._failures = 0
        self._retry_at = 0.0

    def want(self, decisions: Decisions, revs: Mapping[str, int], now: float) -> None:
        job = Job(decisions, revs)
        if self._wanted is None or job.hz != self._wanted.hz:
            self._failures, self._error, self._retry_at = 0, None, now
        self._wanted = job
        self._settle()

    def _settle(self) -> None:
        """Where the frequencies stand already, newer revisions are applied without a call."""
        if self.confirmed is not None and self._wanted is not None and self._standing:
            self.confirmed = replace(self.confirmed, revs=self._wanted.revs)

    @property
    def _standing(self) -> bool:
        """Whether the profiler is known to run as wanted."""
        if self._wanted is None or self.confirmed is None or self._in_doubt:
            return False
        return self._busy_since is None and self._wanted.hz == self.confirmed.hz

    def next(self, now: float) -> Job | float | None:
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

    def succeed(self, job: Job, achieved_hz: Mapping[Profile, float], now: float) -> None:
        self._busy_since, self._error, self._failures = None, None, 0
        self._in_doubt = False
        self.confirmed = Standing(job.hz, job.revs, now, achieved_hz)
        self._settle()

    def fail(self, job: Job, error: str, now: float) -> None:
        self._busy_since = None
        self._in_doubt = True
        if self._wanted is not None and self._wanted.hz == job.hz:
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
