"""When a cron line's times come, in a zone with summer time or not. Pure, but for zones' files.

APScheduler finds the times that fit a line, on a clock that is never moved: it is told that the
zone is UTC. By its own way with zones, 3.11 starts twice what a clock shows twice, and an hour late
what it skips. What a time means on a clock that is moved is decided here, as Debian's cron does:

- Where hours are named (`30 2 * * *`), a line is about times of the day, each once. One that is
  skipped comes at the moment of the jump, one that is shown twice counts the first time.
- Where hours begin with `*` (`*/15 * * * *`), it is about minutes that pass: each that the clock
  shows counts, both times, and none that it skips.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from heapq import heappop, heappush

from apscheduler.triggers.cron import CronTrigger

from upshift_rules.cron import Cron

_MINUTE = timedelta(minutes=1)


def moments(cron: Cron, zone: tzinfo, after_ms: int) -> Iterator[int]:
    """The moments after `after_ms` at which the line's times come, in order; in Unix ms."""
    now = datetime.fromtimestamp(after_ms / 1000, zone)
    # Where the clock is set back soon, or just was, earlier times of the day may be yet to come.
    begin = now.replace(tzinfo=None) - max(_moved_back(now), timedelta())
    waiting: list[int] = []
    last_ms = after_ms
    for local in _local_times(cron, begin):
        found = _moments_of(local, zone, passing=cron.any_hour)
        while waiting and found and waiting[0] <= found[0]:
            if (at_ms := heappop(waiting)) > last_ms:
                yield (last_ms := at_ms)
        for at_ms in found:
            heappush(waiting, at_ms)


def _local_times(cron: Cron, begin: datetime) -> Iterator[datetime]:
    """The times from `begin` on that fit, on a clock that is never moved."""
    triggers = [_trigger(cron, cron.days, cron.weekdays)]
    if cron.either_day:  # for APScheduler a day has to fit both
        triggers = [
            _trigger(cron, cron.days, range(7)),
            _trigger(cron, range(1, 32), cron.weekdays),
        ]
    now = begin.replace(tzinfo=UTC)
    while True:
        found = [it.get_next_fire_time(None, now) for it in triggers]
        if not any(found):  # not in the years that a date can say
            return
        local = min(filter(None, found))
        yield local.replace(tzinfo=None)
        now = local + _MINUTE


def _trigger(cron: Cron, days: Collection[int], weekdays: Collection[int]) -> CronTrigger:
    return CronTrigger(
        minute=_text(cron.minutes, 60),
        hour=_text(cron.hours, 24),
        day=_text(days, 31),
        month=_text(cron.months, 12),
        day_of_week=_text({(day - 1) % 7 for day in weekdays}, 7),  # its weeks begin on Monday
        second=0,
        timezone=UTC,
    )


def _text(values: Collection[int], many: int) -> str:
    """`*` for all of a field's values, else ranges: to find the next one takes a look at each."""
    if len(values) == many:
        return "*"
    ranges: list[list[int]] = []
    for value in sorted(values):
        if ranges and ranges[-1][1] == value - 1:
            ranges[-1][1] = value
        else:
            ranges.append([value, value])
    return ",".join(f"{first}-{last}" for first, last in ranges)


def _moments_of(local: datetime, zone: tzinfo, *, passing: bool) -> tuple[int, ...]:
    """When the clocks of a zone show `local`. passing: see the module's two kinds of lines."""
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    moved = _moved_back(first)
    if not moved:
        return (_ms(first),)
    if moved > timedelta():  # it is shown twice
        return (_ms(first), _ms(second)) if passing else (_ms(first),)
    return () if passing else (_jump(_ms(second), _ms(first), zone),)


def _moved_back(moment: datetime) -> timedelta:
    """By how much the clock is moved where it shows this; below 0 where it skips it."""
    before, after = (moment.replace(fold=fold).utcoffset() for fold in (0, 1))
    return (before or timedelta()) - (after or timedelta())


def _jump(before_ms: int, after_ms: int, zone: tzinfo) -> int:
    """The moment between these two at which a zone's clock jumps ahead."""
    there = datetime.fromtimestamp(after_ms / 1000, zone).utcoffset()
    low, high = before_ms // 1000, after_ms // 1000
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == there:
            high = middle
        else:
            low = middle
    return high * 1000


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
