"""Alerts that are known by a list: what nobody told of, and what is silenced."""

from __future__ import annotations

from rules.world import HIGH_CPU, MINUTE, START_MS, World, alert

LISTED = alert()._replace(via="level")
MUTED = alert()._replace(via="muted")
REVERT = {"on_resolved": "revert"}
LASTING = {"while_firing": True}


def test_what_nobody_told_of_is_recovered_and_the_history_says_so() -> None:
    world = World()
    assert world.fires(LISTED).outcome == "recovered"
    (entry,) = world.history
    assert entry.event == "granted"
    assert entry.reason.endswith("Alertmanager lists it, and had not told of it")
    assert world.fires(alert()).outcome == "repeat", "its webhook comes late"
    assert world.commits == 1


def test_what_was_told_of_is_not_recovered() -> None:
    world = World()
    assert world.fires(alert()).outcome == "granted"
    assert world.fires(LISTED).outcome == "repeat"
    assert world.commits == 1


def test_a_muted_alert_starts_nothing_joins_nothing_and_is_not_held_against_it() -> None:
    world = World()
    assert world.fires(MUTED).outcome == "muted"
    assert world.commits == 0
    world.fires(alert("b"))
    world.passes(5 * MINUTE)
    assert world.fires(MUTED).outcome == "muted"
    assert world.runs_for_ms == 5 * MINUTE
    assert world.fires(LISTED).outcome == "renewed", "it is muted no more"


def test_a_silence_during_a_boost_ends_nothing() -> None:
    for rule in (REVERT, {}):
        world = World()
        world.fires(alert(), **rule)
        world.passes(5 * MINUTE)
        assert world.fires(MUTED, **rule).outcome == "repeat"
        assert world.runs_for_ms == 5 * MINUTE


def test_while_firing_renews_a_boost_of_a_muted_alert_and_takes_none_up_again() -> None:
    world = World()
    world.fires(alert(), **LASTING)
    world.passes(9 * MINUTE)
    assert world.fires(MUTED, **LASTING).outcome == "renewed"
    assert world.runs_for_ms == 10 * MINUTE
    world.passes(11 * MINUTE)
    assert world.fires(MUTED, **LASTING).outcome == "muted"
    assert world.fires(LISTED, **LASTING).outcome == "granted"


def test_while_firing_is_renewed_up_to_max_duration_and_agents_hear_of_it_seldom() -> None:
    world = World()
    world.fires(LISTED, **LASTING)
    for _ in range(2 * 60):
        world.passes(MINUTE // 2)
        world.fires(LISTED, **LASTING)
        if world.now_ms < START_MS + 40 * MINUTE:
            assert world.boosts
    events = [it.event for it in world.history]
    assert events == ["granted", *["renewed"] * (len(events) - 2), "expired"]
    assert len(events) <= 2 + 30 / 3, "a renewal is for a third of the duration at least"
    assert not world.boosts


def test_a_crowd_that_was_forgotten_is_renewed_muted_or_not() -> None:
    world = World(HIGH_CPU)
    crowd = [alert(f"{n:016x}") for n in range(600)]
    world.tells(*crowd, **LASTING)
    world.passes(9 * MINUTE)
    (first, *_) = world.tells(*(it._replace(via="muted") for it in crowd), **LASTING)
    assert first.outcome in ("renewed", "joined")
    assert world.runs_for_ms == 10 * MINUTE
    world.passes(11 * MINUTE)
    assert {
        it.outcome for it in world.tells(*(it._replace(via="muted") for it in crowd), **LASTING)
    } == {"muted"}
