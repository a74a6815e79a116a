"""The windows of a schedule: when each begins and ends. Pure, as `moments` is."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo

from upshift_rules.leases.changes import Scheduled
from upshift_rules.leases.draft import digest
from upshift_rules.model import Schedule

from .moments import moments

#: How far back the window is looked for first that is open now; then so many times as far.
_LOOK_BACK_MS = 60_000
_FURTHER = 60
_YEAR_MS = 366 * 24 * 60 * 60 * 1000
_ENOUGH = 2000


class Window(NamedTuple):
    """In Unix ms; the end is no part of it."""

    starts_at_ms: int
    ends_at_ms: int


def windows(schedule: Schedule, after_ms: int) -> Iterator[Window]:
    """The windows of a schedule that begin after `after_ms`, in order."""
    for start_ms in _starts(schedule, after_ms):
        yield Window(start_ms, start_ms + schedule.duration_ms)


def window_at(schedule: Schedule, now_ms: int) -> Window | None:
    """The window that is open at `now_ms`; of several, that which ends last."""
    back_ms = min(_LOOK_BACK_MS, schedule.duration_ms)
    while True:
        begun = takewhile(lambda it: it.starts_at_ms <= now_ms, windows(schedule, now_ms - back_ms))
        if found := [*begun]:
            return found[-1]
        if back_ms == schedule.duration_ms:
            return None
        back_ms = min(_FURTHER * back_ms, schedule.duration_ms)


def open_for(schedule: Schedule, now_ms: int) -> float:
    """Return for which share of the time from now on one of its windows is open, 0–1: in a year, or
    in as many windows as are worth a look."""
    open_ms, until_ms = 0, now_ms
    last_ms = now_ms + _YEAR_MS
    for number, it in enumerate(windows(schedule, now_ms)):
        if it.starts_at_ms >= last_ms or number == _ENOUGH:
            last_ms = min(last_ms, it.starts_at_ms)
            break
        open_ms += max(0, it.ends_at_ms - max(until_ms, it.starts_at_ms))
        until_ms = max(until_ms, it.ends_at_ms)
    return min(1.0, open_ms / max(1, last_ms - now_ms))


def changes(schedule: Schedule, window: Window) -> list[Scheduled]:
    """What is to be done in a window on each target: a lease for each profile."""
    return [
        Scheduled(
            schedule=schedule.name,
            kind=schedule.kind,
            profile=profile,
            hz=schedule.frequency_hz,
            starts_at_ms=window.starts_at_ms,
            ends_at_ms=window.ends_at_ms,
            where=schedule.where,
        )
        for profile in schedule.profiles or (None,)
    ]


def _starts(schedule: Schedule, after_ms: int) -> Iterator[int]:
    zone, waiting, last_ms = ZoneInfo(schedule.zone), list[int](), after_ms
    for moment_ms in moments(schedule.cron, zone, after_ms - schedule.jitter_ms):
        while waiting and waiting[0] <= moment_ms:  # no later time begins before these
            if (start_ms := heappop(waiting)) > last_ms:
                yield (last_ms := start_ms)
        heappush(waiting, moment_ms + _delay_ms(schedule, moment_ms))
    yield from sorted({it for it in waiting if it > last_ms})


def _delay_ms(schedule: Schedule, moment_ms: int) -> int:
    """How much later a window begins: whole seconds, the same ones for all who ask."""
    most_s = schedule.jitter_ms // 1000
    return int(digest(f"{schedule.name} {moment_ms}", 8), 16) % (most_s + 1) * 1000
