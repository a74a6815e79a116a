"""What a schedule does to the leases of a target, on virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.world import MINUTE, START_MS, World, override
from upshift_agent.contract import MAX_LEASE_MS
from upshift_rules.leases.changes import Scheduled
from upshift_rules.leases.rooms import ROOMS, RULES, room_of
from upshift_rules.model import Refusal

NIGHTLY = Scheduled(
    schedule="nightly",
    kind="boost",
    hz=97,
    starts_at_ms=START_MS,
    ends_at_ms=START_MS + 45 * MINUTE,
    where={},
)
TOMORROW_MS = 24 * 60 * MINUTE


def later(ms: int, window: Scheduled = NIGHTLY) -> Scheduled:
    return replace(window, starts_at_ms=window.starts_at_ms + ms, ends_at_ms=window.ends_at_ms + ms)


def test_a_window_has_a_lease_until_it_ends() -> None:
    world = World()
    outcome = world.told(NIGHTLY)
    (lease,) = world.boosts
    assert (outcome.outcome, outcome.reason) == ("granted", "boost 97 Hz for 45m")
    assert (lease.hz, lease.expires_at_ms) == (97, NIGHTLY.ends_at_ms)
    assert lease.reason == f"boost {lease.id}: schedule nightly"


def test_a_window_has_one_lease_however_often_it_is_asked_for() -> None:
    world = World()
    world.told(NIGHTLY)
    for _ in range(44):
        world.passes(MINUTE)
        assert world.told(NIGHTLY).outcome == "repeat"
    assert (len(world.history), world.commits) == (1, 1)


def test_who_comes_late_has_the_rest_of_the_window() -> None:
    world = World()
    world.passes(40 * MINUTE)
    assert world.told(NIGHTLY).reason == "boost 97 Hz for 5m"
    assert world.runs_for_ms == 5 * MINUTE


def test_a_window_that_is_over_has_none() -> None:
    world = World()
    world.passes(45 * MINUTE)
    assert world.told(NIGHTLY).outcome == "repeat"
    assert world.commits == 0


def test_what_is_released_in_a_window_stays_released_until_the_next_one() -> None:
    world = World()
    world.told(NIGHTLY)
    world.passes(MINUTE)
    world.released()
    world.passes(MINUTE)
    assert world.told(NIGHTLY).outcome == "repeat"
    world.passes(TOMORROW_MS)
    assert world.told(later(TOMORROW_MS)).outcome == "granted"


def test_the_next_window_has_a_lease_of_its_own() -> None:
    world = World()
    world.told(NIGHTLY)
    world.passes(TOMORROW_MS)
    assert world.told(later(TOMORROW_MS)).outcome == "granted"
    assert [it.event for it in world.history] == ["granted", "expired", "granted"]
    first, _, second = world.history
    assert first.lease
    assert second.lease
    assert first.lease.id != second.lease.id


def test_where_windows_overlap_one_lease_runs_on() -> None:
    world = World()
    world.told(NIGHTLY)
    world.passes(30 * MINUTE)
    assert world.told(later(30 * MINUTE)).outcome == "renewed"
    assert world.runs_for_ms == 45 * MINUTE
    assert world.told(later(30 * MINUTE)).outcome == "repeat"


def test_a_window_that_ends_within_another_changes_nothing_for_agents() -> None:
    world = World()
    world.told(NIGHTLY)
    world.passes(MINUTE)
    shorter = replace(NIGHTLY, starts_at_ms=START_MS + MINUTE, ends_at_ms=START_MS + 2 * MINUTE)
    assert world.told(shorter).outcome == "joined"
    assert world.runs_for_ms == 44 * MINUTE


def test_a_schedule_that_says_something_else_by_now_gets_a_lease_beside_the_one_that_runs() -> None:
    world = World()
    world.told(NIGHTLY)
    world.passes(30 * MINUTE)
    world.told(replace(later(30 * MINUTE), hz=49))
    assert sorted(it.hz for it in world.boosts) == [49, 97]


def test_each_profile_has_a_lease_of_its_own() -> None:
    world = World()
    world.told(replace(NIGHTLY, profile="cpu"))
    outcome = world.told(replace(NIGHTLY, profile="wall"))
    assert outcome.reason == "boost wall 97 Hz for 45m"
    assert [(it.id.partition("/")[0], it.profile) for it in world.boosts] == [
        ("nightly", "cpu"),
        ("nightly:wall", "wall"),
    ]
    assert world.told(replace(NIGHTLY, profile="wall")).outcome == "repeat"


def test_a_cap_at_0_is_for_every_profile_and_any_other_for_cpu() -> None:
    world = World()
    world.told(replace(NIGHTLY, schedule="freeze", kind="cap", hz=19))
    world.told(replace(NIGHTLY, schedule="stop", kind="cap", hz=0))
    assert [(it.kind, it.hz, it.profile) for it in world.boosts] == [
        ("cap", 19, "cpu"),
        ("cap", 0, "all"),
    ]


def test_a_boost_that_a_limit_refuses_is_told_once_and_granted_when_there_is_room() -> None:
    world = World(refusal=Refusal("max_boosted_agents", 10, 10, "no room"))
    for _ in range(5):
        assert world.told(NIGHTLY).outcome == "refused"
        world.passes(MINUTE)
    assert [(it.event, it.limit) for it in world.history] == [("refused", "max_boosted_agents")]
    world.refusal = None
    assert world.told(NIGHTLY).outcome == "granted"
    assert world.runs_for_ms == 40 * MINUTE


def test_no_number_of_rules_boosts_keeps_a_schedule_out() -> None:
    world = World()
    world.told(NIGHTLY)
    assert room_of(world.boosts[0]) != RULES
    for number in range(ROOMS[room_of(world.boosts[0])] - 1):
        world.told(override("boost", 49, name=str(number)))
    assert world.told(replace(NIGHTLY, schedule="weekly")).outcome == "refused"
    assert world.told(replace(NIGHTLY, schedule="freeze", kind="cap", hz=19)).outcome == "granted"


def test_a_release_of_all_ends_a_schedules_lease_too() -> None:
    world = World()
    world.told(NIGHTLY)
    assert world.released().outcome == "released"
    assert world.boosts == []


@pytest.mark.parametrize("back_ms", [MINUTE, 60 * MINUTE, MAX_LEASE_MS])
def test_a_clock_that_is_set_back_makes_no_lease_longer(back_ms: int) -> None:
    world = World()
    world.told(NIGHTLY)
    world.passes(-back_ms)
    world.looks()
    assert world.runs_for_ms == 45 * MINUTE
    assert world.told(NIGHTLY).outcome == "repeat"


def test_a_storm_of_alerts_does_not_make_it_be_granted_again() -> None:
    world = World()
    world.told(NIGHTLY)
    world.released()
    world.passes(MINUTE)
    for number in range(600):
        world.where = {"service.instance.id": str(number)}
        world.fires()
    assert world.told(NIGHTLY).outcome == "repeat"
