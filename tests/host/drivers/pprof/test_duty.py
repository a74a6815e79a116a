"""When a target is asked: a part of the time, never twice at once, and not at all at 0."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from upshift_host.drivers.pprof import duty
from upshift_host.drivers.pprof.duty import BUSY_S, GO_HZ, LONGEST_RETRY_S, PROFILE_S, Turn

T = 1000.0


@given(st.integers(1, 1000))
def test_a_frequency_is_a_part_of_the_time(hz: int) -> None:
    part = duty.part(duty.cpu_each_s(hz))
    assert abs(part - min(1.0, hz / GO_HZ)) < 1e-9


def test_0_is_never() -> None:
    assert duty.cpu_each_s(0) is None
    assert duty.heap_each_s(0) is None
    assert duty.part(None) == 0.0
    assert duty.heap_each_s(4) == 900.0


@given(st.lists(st.tuples(st.sampled_from([None, 10.0, 52.6, 1000.0]), st.floats(0, 60))))
def test_two_profiles_of_ours_never_overlap(changes: list[tuple[float | None, float]]) -> None:
    turn, now, begun = Turn(), T, []
    for each_s, pause in changes:
        turn = duty.wanting(turn, each_s, now)
        if turn.each_s is not None and now >= turn.at:
            begun.append(now)
            turn = duty.began(turn, now)
            now += PROFILE_S
            turn = duty.took(turn, now)
        now += pause
    assert all(later - earlier >= PROFILE_S for earlier, later in pairwise(begun))


def test_a_raise_begins_at_once_and_an_end_counts_from_the_last_profile() -> None:
    turn = duty.wanting(Turn(), 52.6, T)
    assert turn.at == T
    turn = duty.took(duty.began(turn, T), T + 10)
    assert turn.at == T + 52.6
    raised = duty.wanting(turn, 10.0, T + 20)
    assert raised.at == T + 20
    raised = duty.took(duty.began(raised, T + 20), T + 30)
    assert raised.at == T + 30
    assert duty.wanting(raised, 52.6, T + 30).at == T + 20 + 52.6


def test_somebody_elses_profile_is_waited_for_and_is_no_failure() -> None:
    turn = duty.busy(duty.began(duty.wanting(Turn(), 10.0, T), T), T)
    assert (turn.at, turn.failures, turn.busy_since) == (T + BUSY_S, 0, T)
    assert duty.busy(turn, T + 2).busy_since == T
    assert duty.took(turn, T + 12).busy_since is None


def test_failures_are_tried_again_ever_less_often() -> None:
    turn = duty.wanting(Turn(), 10.0, T)
    for _ in range(20):
        turn = duty.failed(turn, T)
    assert turn.at == T + LONGEST_RETRY_S
    assert duty.wanting(turn, 52.6, T).failures == 0
