"""When a target is asked for its next profile. Pure: handed `now`, monotonic seconds.

Go samples at 100 Hz, whatever anybody asks of it, so a frequency is a part of the time: at 19 Hz a
target is profiled for 10 s in 53. Of the heap it is snapshots an hour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

#: What Go's profiler is set to by net/http/pprof.
GO_HZ: Final = 100
#: How long one cpu profile is.
PROFILE_S: Final = 10
HOUR_S: Final = 3600.0
#: Somebody else profiles the target: how soon it is asked again.
BUSY_S: Final = 2.0
FIRST_RETRY_S: Final = 2.0
LONGEST_RETRY_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Where one profile of one target stands.

    each_s: from the beginning of one to that of the next; None: none are taken. at: when the next
    begins. failures: in a row. busy_since: since when somebody else profiles it.
    """

    each_s: float | None = None
    at: float = 0.0
    began: float | None = None
    failures: int = 0
    busy_since: float | None = None


def cpu_each_s(hz: int) -> float | None:
    """Seconds from one cpu profile to the next; at 100 Hz and more one follows the other."""
    return None if hz <= 0 else max(PROFILE_S, PROFILE_S * GO_HZ / hz)


def heap_each_s(an_hour: int) -> float | None:
    return None if an_hour <= 0 else HOUR_S / an_hour


def part(each_s: float | None) -> float:
    """Of the time that cpu is profiled."""
    return 0.0 if each_s is None else PROFILE_S / each_s


def wanting(turn: Turn, each_s: float | None, now: float) -> Turn:
    """Take one each so many seconds from now on. More often begins at once, or as soon as the last
    one is long enough ago; less often, counted from the last one."""
    if each_s == turn.each_s:
        return turn
    new = replace(turn, each_s=each_s, failures=0, busy_since=None)
    if each_s is None:
        return new
    if turn.began is None:
        return replace(new, at=now)
    return replace(new, at=max(now, turn.began + each_s))


def began(turn: Turn, now: float) -> Turn:
    return replace(turn, began=now)


def took(turn: Turn, now: float) -> Turn:
    """It brought a profile. The next begins in its time, at once where that has passed."""
    at = now if turn.each_s is None or turn.began is None else turn.began + turn.each_s
    return replace(turn, at=max(now, at), failures=0, busy_since=None)


def busy(turn: Turn, now: float) -> Turn:
    """Somebody else profiles it, which is no failure."""
    since = now if turn.busy_since is None else turn.busy_since
    return replace(turn, at=now + BUSY_S, busy_since=since)


def failed(turn: Turn, now: float) -> Turn:
    pause = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2**turn.failures)
    return replace(turn, at=now + pause, failures=min(turn.failures + 1, 10), busy_since=None)
