"""What to do now about a file and the profiler that reads it. Pure: handed `now`, in seconds.

What lowers goes at once, and so does all that is not above the baseline. What raises is gathered
for a second, so that two in the same second make one reload, and makes `raises_per_minute` reloads
a minute at most; what waits meanwhile is one change, to whatever is wanted then. A change that was
reloaded is watched for `WATCH_S`; a raise that does harm is undone and held back. A file whose
reload failed is reloaded again until it is in order, whatever is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

GATHER_S = 1.0
MINUTE_S = 60.0
#: For how long after a reload the profiler has to go on running.
WATCH_S = 10.0
#: How soon what lowers is tried again, on a full disk for one.
LOWER_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
#: A raise that ended the profiler is not tried again before.
HARM_S = 300.0
#: So many failures in a row that whoever asked looks for another method at once.
HARM = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """rest: the baseline, Hz. within_s: how long the profiler takes to have a change in force."""

    rest: int
    raises_per_minute: int
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All frequencies in Hz; None: nobody knows.

    file: what the file says. loaded: what the profiler was told to load. before: what was in force
    before that. good: what it last ran at for `WATCH_S` without harm.
    failures: in a row, of what is wanted.
    """

    wanted: int
    asked_at: float = 0.0
    file: int | None = None
    loaded: int | None = None
    loaded_at: float = -inf
    before: int | None = None
    good: int | None = None
    watched_until: float | None = None
    raised_at: tuple[float, ...] = ()
    retry_at: float = 0.0
    raise_at: float = 0.0
    held_until: float = 0.0
    failures: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """Write this frequency. raises: check it first, and watch it."""

    hz: int
    raises: bool


@dataclass(frozen=True, slots=True)
class Reload:
    """The file is as it should be; the profiler does not know yet."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done before `until`; None: before something else happens."""

    until: float | None


def next_step(state: State, now: float, limits: Limits) -> Write | Reload | Wait:
    if state.file != state.wanted and not _raises(state, limits):
        return Write(state.wanted, False) if now >= state.retry_at else Wait(state.retry_at)
    if state.file is not None and state.loaded != state.file:
        return Reload() if now >= state.retry_at else Wait(state.retry_at)
    if state.file == state.wanted:
        return Wait(state.watched_until)
    at = raise_due(state, limits)
    return Write(state.wanted, True) if now >= at else Wait(at)


def raise_due(state: State, limits: Limits) -> float:
    """When a raise that is wanted may be written."""
    recent = state.raised_at[-limits.raises_per_minute :]
    full = len(recent) == limits.raises_per_minute
    turn = recent[0] + MINUTE_S if full else 0.0
    held = max(state.retry_at, state.raise_at, state.held_until)
    return max(state.asked_at + GATHER_S, held, turn)


def lowers(state: State, limits: Limits) -> bool:
    """Whether what is wanted must be written at once."""
    return state.file != state.wanted and not _raises(state, limits)


def _raises(state: State, limits: Limits) -> bool:
    """The baseline is known to do no harm, so that nothing up to it is a raise."""
    return state.wanted > max(limits.rest, state.file or 0)


def wanting(state: State, hz: int, now: float, limits: Limits) -> State:
    """This is wanted from now on. What failed before was another change."""
    if hz == state.wanted:
        return state
    waited = _raises(state, limits) and state.file != state.wanted
    new = replace(state, wanted=hz, failures=0, why="", retry_at=0.0, raise_at=0.0)
    return new if waited and _raises(new, limits) else replace(new, asked_at=now)


def known(state: State, hz: int) -> State:
    """At the start: the file says this, and the profiler has been told so long ago."""
    return replace(state, file=hz, loaded=hz, loaded_at=-inf)


def found(state: State, hz: int | None) -> State:
    """The file says this, whoever wrote it."""
    return replace(state, file=hz)


def wrote(state: State, hz: int, now: float, limits: Limits) -> State:
    """The file says this now, and the profiler runs on as it did."""
    before = in_force(state, now, limits)
    return replace(state, file=hz, before=before, loaded=None, watched_until=None)


def reloading(state: State, now: float) -> State:
    """A raise is about to be reloaded, whatever comes of it: it counts."""
    recent = tuple(at for at in state.raised_at if at > now - MINUTE_S)
    return replace(state, raised_at=(*recent, now))


def reloaded(state: State, hz: int, now: float, limits: Limits) -> State:
    """The profiler was told while the file said `hz`; it is watched from now on."""
    return replace(
        state,
        before=in_force(state, now, limits),
        loaded=hz,
        loaded_at=now,
        watched_until=now + WATCH_S,
    )


def proved(state: State) -> State:
    """It ran on for `WATCH_S`."""
    good = state.loaded
    if good != state.wanted:  # only what was put back: the failure still stands
        return replace(state, good=good, watched_until=None)
    return replace(state, good=good, watched_until=None, failures=0, why="")


def failed(state: State, why: str, now: float, *, raised: bool = False) -> State:
    """A write, a check or a reload failed, and did no harm."""
    pause = min(LONGEST_RETRY_S, LOWER_RETRY_S * 2 ** min(state.failures, 10))
    new = replace(state, failures=state.failures + 1, why=why)
    if raised:
        return replace(new, raise_at=now + pause)
    return replace(new, retry_at=now + pause)


def not_written(state: State, why: str, now: float) -> State:
    """What lowers could not be written: nothing is more urgent."""
    return replace(state, failures=state.failures + 1, why=why, retry_at=now + LOWER_RETRY_S)


def harmed(state: State, why: str, now: float) -> State:
    """The profiler has ended, or is unwell, of what it was told."""
    return replace(
        state,
        failures=max(state.failures + 1, HARM),
        why=why,
        loaded=None,
        watched_until=None,
        held_until=now + HARM_S,
    )


def was_raised(state: State, limits: Limits) -> bool:
    """Whether what was loaded is above what is known to do no harm."""
    return state.loaded is not None and state.loaded > max(limits.rest, state.good or 0)


def undo_to(state: State, limits: Limits) -> int:
    """What a raise that failed goes back to; never above what is wanted meanwhile."""
    return min(max(limits.rest, state.good or 0), state.wanted)


def in_force(state: State, now: float, limits: Limits) -> int | None:
    """What the profiler runs at, as far as anybody knows."""
    if state.loaded is None or now < state.loaded_at + limits.within_s:
        return state.before
    return state.loaded


def in_words(state: State, now: float, limits: Limits) -> str:
    """Where it stands, for statuses; empty once all that is wanted is in force."""
    if state.file != state.wanted:
        if not _raises(state, limits):
            return "not written yet"
        return f"written in {max(0.0, raise_due(state, limits) - now):.0f} s"
    if state.loaded != state.file:
        return "written, not reloaded yet"
    left = state.loaded_at + limits.within_s - now
    return f"written, in force within {left:.0f} s" if left > 0 else ""
