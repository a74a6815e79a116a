"""When a cron line's times come: beside a walk through every minute, and where clocks are moved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from upshift_controller.sources.schedules.moments import moments
from upshift_rules.cron import Cron, parse_cron

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
BERLIN = "Europe/Berlin"
#: Days on which clocks are moved: by an hour, half an hour, two; at midnight; by a whole day.
MOVED = [
    (BERLIN, "2026-03-29"),
    (BERLIN, "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Antarctica/Troll", "2026-03-29"),
    ("Antarctica/Troll", "2026-10-25"),
    ("America/Sao_Paulo", "2017-10-15"),
    ("America/Sao_Paulo", "2018-02-18"),
    ("Pacific/Apia", "2011-12-30"),
    ("Asia/Kathmandu", "2026-06-01"),
    ("UTC", "2026-02-28"),
]


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def in_zone(text: str, zone: str = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def fits(cron: Cron, local: datetime) -> bool:
    by_day = local.day in cron.days
    by_weekday = local.isoweekday() % 7 in cron.weekdays
    day = by_day or by_weekday if cron.either_day else by_day and by_weekday
    clock = local.minute in cron.minutes and local.hour in cron.hours
    return clock and day and local.month in cron.months


def walked(cron: Cron, zone: ZoneInfo, after_ms: int, until_ms: int) -> Iterator[int]:
    """The same moments, by a look at each minute."""
    before = datetime.fromtimestamp(after_ms // MINUTE_MS * 60, zone)
    for at_ms in range((after_ms // MINUTE_MS + 1) * MINUTE_MS, until_ms, MINUTE_MS):
        now = datetime.fromtimestamp(at_ms / 1000, zone)
        if cron.any_hour:
            comes = fits(cron, now)
        else:
            skipped = before.replace(tzinfo=None) + timedelta(minutes=1)
            here = now.replace(tzinfo=None, fold=0)
            comes = now.fold == 0 and fits(cron, now)
            while skipped < here and not comes:
                comes = fits(cron, skipped)
                skipped += timedelta(minutes=1)
        if comes:
            yield at_ms
        before = now


def field(least: int, most: int) -> st.SearchStrategy[str]:
    values = st.lists(st.integers(least, most), min_size=1, max_size=3).map(
        lambda several: ",".join(map(str, several))
    )
    return st.sampled_from(["*", "*/2"]) | values


lines = st.builds(
    lambda *fields: " ".join(fields),
    field(0, 59),
    field(0, 4) | field(0, 23),
    st.just("*") | field(1, 31),
    st.just("*"),
    st.just("*") | field(0, 7),
)


@settings(max_examples=100)
@given(lines, st.sampled_from(MOVED), st.integers(-2 * DAY_MS, DAY_MS))
@example("30 2 * * *", (BERLIN, "2026-03-29"), 0)
@example("30 2 * * *", (BERLIN, "2026-10-25"), 2 * 60 * MINUTE_MS + 45 * MINUTE_MS)
@example("*/15 * * * *", (BERLIN, "2026-10-25"), 60 * MINUTE_MS)
def test_moments_are_those_that_a_walk_through_every_minute_finds(
    line: str, day: tuple[str, str], offset_ms: int
) -> None:
    cron, zone = parse_cron(line), ZoneInfo(day[0])
    after_ms = ms(in_zone(day[1], day[0])) + offset_ms
    until_ms = after_ms + 2 * DAY_MS
    found = takewhile(lambda it: it < until_ms, moments(cron, zone, after_ms))
    assert [*found] == [*walked(cron, zone, after_ms, until_ms)]


def local(line: str, zone: str, begin: str, count: int) -> list[str]:
    """The next moments, as clocks there show them."""
    found = islice(moments(parse_cron(line), ZoneInfo(zone), ms(in_zone(begin, zone))), count)
    return [
        datetime.fromtimestamp(it / 1000, ZoneInfo(zone)).strftime("%a %d.%m. %H:%M %z")
        for it in found
    ]


def test_a_time_of_the_day_that_is_skipped_comes_when_the_clock_jumps() -> None:
    assert local("30 2 * * *", BERLIN, "2026-03-28 12:00", 3) == [
        "Sun 29.03. 03:00 +0200",
        "Mon 30.03. 02:30 +0200",
        "Tue 31.03. 02:30 +0200",
    ]


def test_several_that_are_skipped_come_once() -> None:
    assert local("0,30 2,3 * * *", BERLIN, "2026-03-29 01:00", 3) == [
        "Sun 29.03. 03:00 +0200",
        "Sun 29.03. 03:30 +0200",
        "Mon 30.03. 02:00 +0200",
    ]


def test_a_time_of_the_day_that_is_shown_twice_counts_the_first_time() -> None:
    assert local("30 2 * * *", BERLIN, "2026-10-24 12:00", 2) == [
        "Sun 25.10. 02:30 +0200",
        "Mon 26.10. 02:30 +0100",
    ]


def test_minutes_that_pass_are_none_while_the_clock_jumps() -> None:
    assert local("*/30 * * * *", BERLIN, "2026-03-29 01:15", 3) == [
        "Sun 29.03. 01:30 +0100",
        "Sun 29.03. 03:00 +0200",
        "Sun 29.03. 03:30 +0200",
    ]


def test_minutes_that_pass_twice_count_both_times() -> None:
    assert local("*/30 * * * *", BERLIN, "2026-10-25 01:45", 6) == [
        "Sun 25.10. 02:00 +0200",
        "Sun 25.10. 02:30 +0200",
        "Sun 25.10. 02:00 +0100",
        "Sun 25.10. 02:30 +0100",
        "Sun 25.10. 03:00 +0100",
        "Sun 25.10. 03:30 +0100",
    ]


def test_a_day_that_a_zone_leaves_out_comes_when_the_next_one_begins() -> None:
    assert local("0 12 * * *", "Pacific/Apia", "2011-12-29 13:00", 2) == [
        "Sat 31.12. 00:00 +1400",
        "Sat 31.12. 12:00 +1400",
    ]


def test_0_is_sunday() -> None:
    assert local("0 0 * * 0", "UTC", "2026-12-01", 2) == [
        "Sun 06.12. 00:00 +0000",
        "Sun 13.12. 00:00 +0000",
    ]


def test_of_two_kinds_of_days_either_fits() -> None:
    assert local("0 0 13 * fri", "UTC", "2026-12-01", 4) == [
        "Fri 04.12. 00:00 +0000",
        "Fri 11.12. 00:00 +0000",
        "Sun 13.12. 00:00 +0000",
        "Fri 18.12. 00:00 +0000",
    ]


def test_the_29th_of_february_comes_every_fourth_year() -> None:
    found = islice(moments(parse_cron("0 0 29 2 *"), UTC, ms(in_zone("2026-12-01", "UTC"))), 3)
    assert [datetime.fromtimestamp(it / 1000, UTC).year for it in found] == [2028, 2032, 2036]


@pytest.mark.parametrize("line", ["* * * * *", "30 2 * * *"])
def test_a_moment_is_not_after_itself(line: str) -> None:
    first = next(moments(parse_cron(line), UTC, 0))
    assert next(moments(parse_cron(line), UTC, first - 1)) == first
    assert next(moments(parse_cron(line), UTC, first)) > first
