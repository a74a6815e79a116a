"""Cron lines: what they mean, and that none crashes the reader."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_rules.cron import MONTHS, WEEKDAYS, parse_cron

EVERY_DAY, EVERY_MONTH, EVERY_WEEKDAY = {*range(1, 32)}, {*range(1, 13)}, {*range(7)}


def test_a_line_is_minute_hour_day_month_and_weekday() -> None:
    cron = parse_cron("5 4 3 2 1")
    assert [*map(set, (cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays))] == [
        {5},
        {4},
        {3},
        {2},
        {1},
    ]


@pytest.mark.parametrize(
    ("field", "minutes"),
    [
        ("*", {*range(60)}),
        ("7", {7}),
        ("07", {7}),
        ("1,2,50", {1, 2, 50}),
        ("10-12", {10, 11, 12}),
        ("*/20", {0, 20, 40}),
        ("5-59/15", {5, 20, 35, 50}),
        ("0-2,30-40/5,59", {0, 1, 2, 30, 35, 40, 59}),
    ],
)
def test_a_field_takes_lists_ranges_and_steps(field: str, minutes: set[int]) -> None:
    cron = parse_cron(f"{field} * * * *")
    assert cron.minutes == minutes
    assert (cron.hours, cron.days) == ({*range(24)}, EVERY_DAY)
    assert (cron.months, cron.weekdays) == (EVERY_MONTH, EVERY_WEEKDAY)


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", {0}),
        ("7", {0}),
        ("sun", {0}),
        ("Mon", {1}),
        ("mon-fri", {1, 2, 3, 4, 5}),
        ("1-5", {1, 2, 3, 4, 5}),
        ("5-7", {5, 6, 0}),
        ("fri-sun", {5, 6, 0}),
        ("sat,SUN", {6, 0}),
        ("0-6", EVERY_WEEKDAY),
        ("*/2", {0, 2, 4, 6}),
    ],
)
def test_0_and_7_are_sunday_as_in_cron(field: str, days: set[int]) -> None:
    assert parse_cron(f"0 0 * * {field}").weekdays == days


def test_with_both_kinds_of_days_one_of_them_has_to_fit() -> None:
    assert parse_cron("0 0 1 * mon").either_day
    assert not parse_cron("0 0 * * mon").either_day
    assert not parse_cron("0 0 1 * *").either_day
    assert not parse_cron("0 0 */10 * mon").either_day  # as crontab(5): it begins with *


def test_a_day_that_no_month_has_comes_by_its_weekday_only() -> None:
    assert parse_cron("0 0 31 2 mon").either_day
    with pytest.raises(ValueError, match="never comes: none of its months has a day 31"):
        parse_cron("0 0 31 2,4,6 *")
    parse_cron("0 0 29 2 *")
    parse_cron("0 0 31 2,3 *")


@given(
    st.sets(st.integers(0, 59), min_size=1),
    st.sets(st.integers(0, 23), min_size=1),
    st.sets(st.integers(1, 12), min_size=1),
    st.sets(st.integers(0, 6), min_size=1),
)
def test_what_is_listed_is_read_back(
    minutes: set[int], hours: set[int], months: set[int], weekdays: set[int]
) -> None:
    fields = [",".join(map(str, it)) for it in (minutes, hours)]
    fields += ["*", ",".join(MONTHS[it - 1] for it in months)]
    fields += [",".join(WEEKDAYS[it] for it in weekdays)]
    cron = parse_cron("  ".join(fields))
    assert (cron.minutes, cron.hours) == (minutes, hours)
    assert (cron.months, cron.weekdays) == (months, weekdays)


parts = st.text("0123456789*/-, msuno\u0663\n", max_size=30)


@given(parts | st.text(max_size=300) | st.lists(parts, min_size=5, max_size=5).map(" ".join))
def test_no_text_crashes_the_reader(text: str) -> None:
    with suppress(ValueError):
        cron = parse_cron(text)
        assert all((cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays))
