"""What a profiler achieves is told once enough was to be seen, and of the frequency in force."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_host.drivers.achieved import ENOUGH, Achieved

windows = st.lists(st.tuples(st.integers(0, 5000), st.floats(0.01, 60)), max_size=20)


def test_samples_a_second_of_the_time_watched() -> None:
    achieved = Achieved()
    achieved.add(100, 650, 6.5)
    assert achieved.hz() == 100


def test_too_little_says_nothing() -> None:
    achieved = Achieved()
    achieved.add(19, 60, 3.0)
    assert achieved.hz() is None
    achieved.add(19, 55, 3.0)
    assert achieved.hz() == pytest.approx(115 / 6)


def test_a_window_of_which_nobody_knows_what_there_was_to_see_says_nothing() -> None:
    achieved = Achieved()
    achieved.add(100, 1000, None)
    achieved.add(100, 1000, 0.0)
    assert achieved.hz() is None


def test_another_frequency_begins_anew() -> None:
    achieved = Achieved()
    achieved.add(100, 1300, 13.0)
    achieved.add(19, 10, 0.5)
    assert achieved.hz() is None


def test_the_newest_windows_count_and_old_ones_do_not() -> None:
    achieved = Achieved()
    achieved.add(100, 0, 13.0)
    achieved.add(100, 1300, 13.0)
    assert achieved.hz() == 100


@given(windows, st.integers(1, 1000))
def test_it_lies_between_the_lowest_and_the_highest_window(
    seen: list[tuple[int, float]], hz: int
) -> None:
    achieved = Achieved()
    for count, threads_s in seen:
        achieved.add(hz, count, threads_s)
    answer = achieved.hz()
    expected = sum(threads_s for _, threads_s in seen) * hz
    assert (answer is not None) == (expected >= ENOUGH) or abs(expected - ENOUGH) < 1e-6
    if answer is not None:
        rates = [count / threads_s for count, threads_s in seen]
        assert min(rates) * 0.999 <= answer <= max(rates) * 1.001
