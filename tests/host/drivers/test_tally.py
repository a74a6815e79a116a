"""A window has missed where chance does not explain how far it is off."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_host.drivers.book import Book
from upshift_host.drivers.tally import Tally, missed
from upshift_host.profiles.window import Window


def window(count: int, threads_s: float | None, hz: int = 100) -> Window:
    return Window(
        attributes={"service.name": "checkout"},
        profile="cpu",
        profiler="py-spy",
        hz=hz,
        began_s=1.0,
        ended_s=14.0,
        samples={("main",): count} if count else {},
        threads_s=threads_s,
    )


@pytest.mark.parametrize(
    ("count", "threads_s", "has_missed"),
    [
        (1300, 13.0, False),
        (1171, 13.0, False),
        (1169, 13.0, True),
        (1431, 13.0, True),
        (0, 13.0, True),
        (80, 1.0, False),  # a fifth less, of few
        (60, 1.0, True),
        (0, 0.99, False),  # too little was to be seen
        (0, None, False),
    ],
)
def test_more_than_10_percent_off_is_a_miss_unless_chance_explains_it(
    count: int, threads_s: float | None, has_missed: bool
) -> None:
    assert missed(window(count, threads_s)) is has_missed


@given(st.integers(0, 5000), st.floats(0.01, 60), st.integers(1, 1000))
def test_what_chance_explains_is_never_a_miss(count: int, threads_s: float, hz: int) -> None:
    expected = threads_s * hz
    if abs(count - expected) <= 3 * math.sqrt(expected):
        assert not missed(window(count, threads_s, hz))


def test_windows_are_counted_by_driver_and_profile_and_lost_ones_by_driver() -> None:
    tally = Tally()
    book = Book("py-spy", tally)
    book.took([window(1300, 13.0), window(3, 13.0)])
    book.failed("py-spy was ended by SIGKILL")
    counts = tally.counts()
    book.took([window(1300, 13.0)])
    assert counts.brought == {("py-spy", "cpu"): 2}
    assert counts.missed == {("py-spy", "cpu"): 1}
    assert counts.lost == {"py-spy": 1}
