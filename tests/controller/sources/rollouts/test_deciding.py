"""What is a rollout and what only looks like one, in virtual time.

Long, because what a rollout is takes many small histories.
"""

from __future__ import annotations

import pytest

from controller.sources.rollouts.versions import (
    CHECKOUT,
    MINUTE,
    SECOND,
    SILENCE_MS,
    START_MS,
    Watched,
    rolled,
)
from upshift_controller.sources.rollouts import deciding
from upshift_controller.sources.rollouts.deciding import LATE_MS, MEMORY_MS, RESTART_MS, look
from upshift_controller.sources.rollouts.knowledge import Knowledge, Known, Service

HOUR = 60 * MINUTE


def test_a_rolling_update_is_one_rollout() -> None:
    assert rolled(["1"], ["1", "2"], ["2"]).told == ["2"]


def test_a_version_that_takes_over_at_once_is_one_rollout() -> None:
    assert rolled(["1"], [], ["2"]).told == ["2"]


def test_it_is_told_at_the_first_look_after_the_first_report() -> None:
    watched = rolled(["1"])
    watched.runs("1", "2", ms=2 * SECOND)
    assert watched.told == ["2"]


def test_a_rollback_is_one_rollout_and_so_is_trying_again() -> None:
    assert rolled(["1"], ["1", "2"], ["2"], ["2", "1"], ["1"], ["1", "2"], ["2"]).told == [
        "2",
        "1",
        "2",
    ]


def test_a_rollback_while_the_former_version_still_lives_is_none() -> None:
    """Its agents never went away, so there is nobody new to look at."""
    assert rolled(["1"], ["1", "2"], ["1"]).told == ["2"]


def test_a_restart_of_the_only_version_is_none() -> None:
    watched = rolled(["1"], [], ["1"])
    assert watched.told == []
    assert watched.came("1") == "restart"


def test_a_restart_of_the_version_that_was_rolled_out_last_is_none() -> None:
    assert rolled(["1"], ["1", "2"], ["2"], [], ["2"]).told == ["2"]


def test_a_canary_that_crashes_again_and_again_is_one_rollout() -> None:
    assert rolled(["1"], *[["1", "2"], ["1"]] * 10).told == ["2"]


def test_a_canary_that_is_tried_again_an_hour_later_is_another() -> None:
    watched = rolled(["1"], ["1", "2"])
    watched.runs("1", ms=RESTART_MS + MINUTE)
    watched.runs("1", "2")
    assert watched.told == ["2", "2"]


def test_a_version_that_sleeps_over_night_is_none_when_it_wakes() -> None:
    watched = rolled(["1"], ["1", "2"], ["2"])
    watched.runs(ms=10 * HOUR)
    watched.runs("2")
    assert watched.told == ["2"]


def test_after_a_day_the_former_version_is_no_predecessor_any_more() -> None:
    watched = rolled(["1"])
    watched.runs(ms=MEMORY_MS + MINUTE)
    watched.runs("2")
    assert watched.told == []
    assert watched.came("2") == "first"


def test_the_first_look_of_all_is_none_though_two_versions_live() -> None:
    assert rolled(["1", "2"], ["2"]).told == []


def test_a_version_that_reports_a_little_after_the_first_look_is_none() -> None:
    watched = Watched()
    watched.runs("1", ms=4 * SECOND)
    watched.runs("1", "2", ms=SILENCE_MS)
    assert watched.told == []
    assert watched.came("2") == "learnt"


@pytest.mark.parametrize("index_too", [True, False])
def test_an_emptied_redis_is_none(index_too: bool) -> None:
    watched = rolled(["1"], ["1", "2"])
    watched.known = None
    if index_too:
        watched.index.last_ms.clear()
    watched.passes(10 * MINUTE)
    assert watched.told == ["2"]


def test_a_lost_index_is_none() -> None:
    watched = rolled(["1"], ["1", "2"])
    watched.index.last_ms.clear()
    watched.passes(10 * MINUTE)
    assert watched.told == ["2"]


def test_after_an_emptied_redis_the_next_rollout_is_one() -> None:
    watched = rolled(["1"])
    watched.known = None
    watched.index.last_ms.clear()
    watched.passes(10 * MINUTE)
    watched.runs("1", "2")
    assert watched.told == ["2"]


@pytest.mark.parametrize("length_ms", [10 * SECOND, MINUTE, 10 * MINUTE, 5 * HOUR])
def test_an_outage_of_redis_is_none(length_ms: int) -> None:
    """Nobody could report, and when it is back they do so one after the other."""
    watched = rolled(["1"], ["1", "2"])
    watched.index.reachable = False
    watched.passes(length_ms)
    watched.index.reachable = True
    watched.runs("2", ms=14 * SECOND)
    watched.runs("1", "2", ms=10 * MINUTE)
    assert watched.told == ["2"]


def test_what_was_rolled_out_while_no_controller_ran_for_some_minutes_is_told_late() -> None:
    watched = rolled(["1"])
    watched.looking = False
    watched.runs("1", "2")
    watched.runs("2")
    watched.looking = True
    watched.passes(5 * MINUTE)
    assert watched.told == ["2"]


def test_a_rollback_while_no_controller_ran_for_some_minutes_is_told_late() -> None:
    watched = rolled(["1"], ["1", "2"], ["2"])
    watched.looking = False
    watched.runs("1", "2")
    watched.looking = True
    watched.passes(5 * MINUTE)
    assert watched.told == ["2", "1"]


def test_what_was_rolled_out_longer_ago_than_that_is_missed() -> None:
    watched = rolled(["1"])
    watched.looking = False
    watched.runs("2", ms=LATE_MS + MINUTE)
    watched.looking = True
    watched.passes(5 * MINUTE)
    assert watched.told == []
    assert watched.came("2") == "missed"
    watched.runs("2", "3")
    assert watched.told == ["3"]


def test_a_clock_that_was_set_back_is_none_and_the_next_rollout_is_one() -> None:
    watched = rolled(["1"], ["1", "2"])
    watched.index.now_ms -= 2 * HOUR
    watched.index.last_ms = dict.fromkeys(watched.index.live, watched.index.now_ms)
    watched.passes(10 * MINUTE)
    assert watched.told == ["2"]
    watched.runs("2", "3")
    assert watched.told == ["2", "3"]


def test_two_versions_that_begin_at_once_are_two_rollouts() -> None:
    assert rolled(["1"], ["1", "2", "3"]).told == ["2", "3"]


def test_a_report_from_the_future_is_no_sign_of_life() -> None:
    watched = rolled(["1"])
    watched.index.last_ms["2"] = watched.index.now_ms + HOUR
    watched.passes(MINUTE)
    assert watched.told == []


def test_a_rollout_that_nobody_could_tell_in_time_is_missed() -> None:
    now_ms = START_MS + LATE_MS + MINUTE
    untold = {"2": Known(True, START_MS, START_MS, "rollout", told=False)}
    known = Knowledge(START_MS, now_ms - SECOND, START_MS, {CHECKOUT: Service("2", untold)})
    after = look(known, {CHECKOUT: {"2": now_ms}}, now_ms, SILENCE_MS)
    assert after.services[CHECKOUT].versions["2"].came == "missed"
    assert list(deciding.untold(after)) == []


def test_what_is_remembered_is_bounded_and_those_that_live_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deciding, "MAX_KNOWN", 5)
    watched = rolled(*[[str(number)] for number in range(20)])
    assert watched.known is not None
    versions = watched.known.services[CHECKOUT].versions
    assert len(versions) == 5
    assert versions["19"].live
    assert watched.told == [str(number) for number in range(1, 20)]
