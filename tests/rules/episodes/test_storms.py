"""Storms of alerts: more than are remembered, and each has one boost all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.episodes.parts import HOUR, REVERT, A, crowd, granted, resolved
from rules.world import HIGH_CPU, MINUTE, START_MS, World, alert
from upshift_rules.leases.memory import MAX_CASES, MAX_EPISODES, MEMORY_MS
from upshift_rules.leases.stored import encode_state
from upshift_rules.model import Refusal


@pytest.mark.parametrize("apart_ms", [0, 7])
@pytest.mark.parametrize("while_firing", [False, True])
def test_the_boost_of_a_storm_ends_by_max_duration_and_repeats_bring_no_other(
    apart_ms: int, while_firing: bool
) -> None:
    world = World(rule=replace(HIGH_CPU, while_firing=while_firing))
    storm = crowd(2000, apart_ms=apart_ms)
    for at in range(0, 2000, 200):
        world.tells(*storm[at : at + 200])
        world.passes(MINUTE)
    for _ in range(30):
        world.passes(5 * MINUTE)
        for at in range(0, 2000, 500):
            world.tells(*storm[at : at + 500])
        assert not world.boosts or world.now_ms < START_MS + world.rule.max_duration_ms
    assert world.boosts == []
    assert granted(world) == 1 or while_firing
    assert sum(len(it.episodes) for it in world.state.cases.values()) <= MAX_EPISODES


def test_alerts_beyond_what_is_remembered_join_and_are_told_so() -> None:
    world = World()
    storm = crowd(MAX_EPISODES + 10)
    world.tells(*storm)
    outcomes = world.tells(*storm)
    many = [it for it in outcomes if it.outcome == "joined"]
    assert len(many) == 10
    assert all("more than 512 alerts fire here" in it.reason for it in many)


def test_a_storm_is_not_reverted_while_alerts_fire_that_are_not_remembered() -> None:
    world = World(rule=replace(HIGH_CPU, on_resolved="revert"))
    storm = crowd(MAX_EPISODES + 10)
    world.tells(*storm)
    world.passes(MINUTE)
    world.tells(*(resolved(it, world.now_ms) for it in storm[:-1]))
    assert len(world.boosts) == 1
    world.passes(9 * MINUTE)
    assert world.boosts == [], "on schedule"


def test_a_released_storm_does_not_come_back() -> None:
    world = World(rule=replace(HIGH_CPU, while_firing=True))
    storm = crowd(MAX_EPISODES + 500)
    world.tells(*storm)
    world.released()
    for _ in range(10):
        world.passes(5 * MINUTE)
        world.tells(*storm)
        assert world.boosts == []


def test_a_storm_of_one_rule_leaves_what_another_knows() -> None:
    world = World()
    world.fires(A, name="quiet", **REVERT)
    world.tells(*crowd(2000))
    assert world.fires(A, name="quiet", **REVERT).outcome == "repeat"
    assert world.resolves(A, name="quiet", **REVERT).outcome == "reverted"


def test_a_new_alert_is_known_from_those_of_a_storm_that_are_forgotten() -> None:
    world = World()
    storm = crowd(2000)
    world.tells(*storm)
    world.passes(HOUR)
    assert {it.outcome for it in world.tells(*storm)} == {"repeat"}
    assert world.fires(alert("new", started_ms=world.now_ms)).outcome == "granted"


def test_a_silence_that_ends_shows_an_alert_that_began_long_ago() -> None:
    world = World()
    world.fires(A)
    world.resolves(A)
    world.passes(2 * MEMORY_MS)
    world.looks()
    assert world.fires(alert("silenced", started_ms=START_MS - 9 * MEMORY_MS)).outcome == "granted"


def test_thousands_of_scopes_are_bounded_and_no_steady_alert_gets_a_second_boost() -> None:
    world = World()
    storm = crowd(750)
    for at in [0, 250, 500] * 2:  # as many as a target may have at once
        claims = []
        for n in range(at, at + 250):
            world.where = {"service.instance.id": str(n)}
            claims.append(world._claim(storm[n], {}))
        world._apply(claims)
        world.passes(20 * MINUTE)
    boosted = [it.lease.cause.said["fingerprint"] for it in world.history if it.event == "granted"]
    assert len(boosted) == len(set(boosted))
    assert len(boosted) >= MAX_CASES
    assert len(world.state.cases) <= MAX_CASES
    assert len(encode_state(world.state)) < 300_000


def test_a_refusal_is_told_once_however_many_scopes_are_refused() -> None:
    world = World(refusal=Refusal("max_boosted_agents", 1, 1, "too many"))
    for _ in range(2):
        for n in range(100):
            world.where = {"service.instance.id": str(n)}
            assert world.fires(A).outcome == "refused"
    assert len(world.history) == 100


@pytest.mark.parametrize("alerts", [1000, 5000])
def test_a_storm_that_resolves_at_once_is_looked_at_once(alerts: int) -> None:
    """Not each against each: 5,000 took 4 s."""
    world = World(rule=replace(HIGH_CPU, on_resolved="revert"))
    storm = crowd(alerts)
    world.tells(*storm, *(resolved(it, world.now_ms) for it in storm))
    assert [it.event for it in world.history] == ["granted", "reverted"]


def test_a_forgotten_alert_whose_startsat_moves_gets_no_second_boost() -> None:
    world = World()
    storm = crowd(1200)
    earlier = [it._replace(starts_at_ms=it.starts_at_ms - 15_000) for it in storm]
    for told in (earlier, storm, earlier, storm):
        world.tells(*told[:600])
        world.tells(*told[600:])
        world.passes(15 * MINUTE)
    assert granted(world) == 1


def test_an_alert_that_came_among_many_gets_no_second_boost_when_its_startsat_moves() -> None:
    world = World()
    world.tells(*crowd(1200))
    world.passes(5_000)
    late = alert("late", started_ms=START_MS + 4_000)
    assert world.fires(late._replace(starts_at_ms=START_MS - 11_000)).outcome == "joined"
    world.passes(HOUR)
    assert world.fires(late).outcome == "repeat"
