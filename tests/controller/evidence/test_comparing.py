"""Planted truths: programs whose functions have known shares, which change in a known way."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_controller.evidence.reading.tally import Tally
from upshift_controller.evidence.statistics.comparing import (
    FALSE_RATE,
    Kind,
    TooLittle,
    Window,
    compare,
    top,
)
from upshift_controller.evidence.statistics.shares import share_of, significant
from upshift_controller.evidence.statistics.student import quantile, two_sided

TRIALS = 200
#: A flat program of 40 functions.
BEFORE = {f"f{n:02}": (41 - n) / 820 for n in range(1, 41)}
#: One of the small ones, of 0.5 %, comes to 2 %; the others lose 1.5 % of what they had.
HOT = "f37"
NOW = {name: share * 0.985 for name, share in BEFORE.items()} | {HOT: BEFORE[HOT] * 0.985 + 0.015}
#: A boost of two minutes.
WINDOWS, WINDOW_S = 12, 10.0


def window(
    shares: Mapping[str, float], hz: float, chance: random.Random, *, bursts: bool = False
) -> Window:
    """What a profiler sees of one busy core, where each sub-window's true shares vary: in bursts
    one function runs three times as much for about 30 s, and less in between."""
    tallies, samples, names = [], 0, list(shares)
    burst, favoured = False, chance.choice(names)
    for _ in range(WINDOWS):
        weights = dict(shares)
        if bursts:
            if chance.random() < (0.6 if burst else 0.2):
                burst = not burst
                favoured = chance.choice(names)
            if burst:
                weights[favoured] *= 2
        seen = Counter(chance.choices(names, list(weights.values()), k=int(hz * WINDOW_S)))
        own = {name: count * 1e9 / hz for name, count in seen.items()}
        tallies.append(Tally(weight=sum(own.values()), own=own, total={"main": 1e9} | own))
        samples += seen.total()
    return Window(tallies, samples)


@pytest.mark.parametrize("bursts", [False, True])
def test_where_nothing_changed_something_is_named_at_the_stated_rate_at_most(bursts: bool) -> None:
    chance = random.Random(1)
    alarms = 0
    for _ in range(TRIALS):
        before = window(BEFORE, 19, chance, bursts=bursts)
        alarms += bool(compare(before, window(BEFORE, 100, chance, bursts=bursts)).significant)
    assert alarms <= TRIALS * FALSE_RATE


def test_the_planted_change_is_found_at_100_hz_and_nothing_else_and_is_missed_at_19() -> None:
    chance = random.Random(2)
    found, others, named = {19: 0, 100: 0}, 0, 0
    for _ in range(TRIALS):
        before = window(BEFORE, 19, chance)
        for hz in found:
            changes = compare(before, window(NOW, hz, chance)).significant
            functions = {change.function for change in changes}
            found[hz] += HOT in functions
            others += len(functions - {HOT})
            named += len(functions)
    assert found[100] >= TRIALS * 0.9
    assert found[19] <= TRIALS * 0.5
    assert others <= named * FALSE_RATE


def test_a_change_in_bursts_is_found_where_it_is_larger_than_they_are() -> None:
    chance = random.Random(3)
    doubled = NOW | {"f20": BEFORE["f20"] + 0.2}
    found = 0
    for _ in range(50):
        before = window(BEFORE, 19, chance, bursts=True)
        changes = compare(before, window(doubled, 100, chance, bursts=True)).significant
        found += "f20" in {change.function for change in changes}
    assert found == 50


def test_intervals_hold_the_true_share_19_times_of_20() -> None:
    chance = random.Random(4)
    held = 0
    for _ in range(TRIALS):
        seen = window(BEFORE, 100, chance)
        parts = [tally.own.get("f05", 0.0) for tally in seen.tallies]
        share = share_of(parts, [tally.weight for tally in seen.tallies], seen.samples)
        held += abs(share.value - BEFORE["f05"]) <= share.half_width
    assert held >= TRIALS * 0.93


def test_a_function_in_one_burst_only_is_not_taken_for_a_change() -> None:
    before = Window([Tally(weight=10.0, own={"f": 10.0}) for _ in range(12)], 1200)
    burst = [Tally(weight=10.0, own={"f": 10.0}) for _ in range(11)]
    now = Window([*burst, Tally(weight=10.0, own={"f": 2.0, "gc": 8.0})], 1200)
    assert not compare(before, now).significant


def test_what_differs_from_one_sub_window_to_the_next_counts_not_the_number_of_samples() -> None:
    wholes = [100.0] * 10
    steady = share_of([10.0] * 10, wholes, 1_000_000)
    bursty = share_of([0.0, 20.0] * 5, wholes, 1_000_000)
    in_a_row = share_of([0.0] * 5 + [20.0] * 5, wholes, 1_000_000)
    assert steady.value == bursty.value == in_a_row.value == 0.1
    assert steady.error < bursty.error < in_a_row.error
    assert in_a_row.dof < bursty.dof


def test_with_too_few_sub_windows_nothing_is_said() -> None:
    some = Window([Tally(weight=1e9, own={"f": 1e9})] * 12, 1200)
    empty = Window([Tally()] * 9 + [Tally(weight=1e9, own={"f": 1e9})] * 3, 300)
    with pytest.raises(TooLittle, match="before: 300 samples in 3 sub-windows"):
        compare(empty, some)
    with pytest.raises(TooLittle, match="in the window: 300 samples in 3 sub-windows"):
        compare(some, empty)


def test_too_few_samples_say_how_many_times_as_many_would_do() -> None:
    chance = random.Random(5)
    little = compare(window(BEFORE, 1, chance), window(BEFORE, 1, chance))
    much = compare(window(BEFORE, 100, chance), window(BEFORE, 100, chance))
    assert not little.enough
    assert little.times_longer() >= 2
    assert much.enough


def test_the_top_of_a_window_is_by_weight_whatever_the_period() -> None:
    slow = Tally(weight=5e9, own={"f": 4e9, "g": 1e9}, total={"main": 5e9})
    fast = Tally(weight=5e9, own={"g": 5e9}, total={"main": 5e9})
    assert top([slow, fast], Kind.OWN, 1) == [("g", 0.6)]
    assert top([], Kind.OWN, 5) == []


@given(st.lists(st.floats(0, 1), max_size=50), st.floats(0.001, 0.5))
def test_whatever_is_believed_is_smaller_than_what_is_not(ps: list[float], rate: float) -> None:
    believed = significant(ps, rate)
    yes = [p for p, it in zip(ps, believed, strict=True) if it and p]
    no = [p for p, it in zip(ps, believed, strict=True) if not it]
    assert not yes or not no or max(yes) < min(no)
    assert all(it for p, it in zip(ps, believed, strict=True) if p <= rate / len(ps))


@pytest.mark.parametrize(
    ("dof", "t"), [(1, 12.706), (2, 4.303), (5, 2.571), (10, 2.228), (30, 2.042), (120, 1.980)]
)
def test_students_t_is_that_of_printed_tables(dof: float, t: float) -> None:
    assert quantile(0.05, dof) == pytest.approx(t, abs=0.0006)
    assert two_sided(t, dof) == pytest.approx(0.05, abs=0.0002)
    assert two_sided(-t, dof) == two_sided(t, dof)
