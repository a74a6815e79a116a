"""Alerts that are listed no more: that ends their boosts, and what comes back has what is left."""

from __future__ import annotations

from rules.episodes.parts import granted
from rules.world import MINUTE, START_MS, World, alert
from upshift_rules.leases.state import NOTHING_LEFT
from upshift_rules.model import Outcome, Refusal, Trigger

LISTED = alert()._replace(via="level")
MUTED = alert()._replace(via="muted")
REVERT = {"on_resolved": "revert"}
LASTING = {"while_firing": True}
FULL = Refusal("max_boosted_agents", 1, 1, "it is full")


def gone(world: World, fired: Trigger = LISTED, **rule: object) -> Outcome:
    """It was missing for 5 minutes."""
    missed = fired._replace(via="level", ends_at_ms=world.now_ms - 5 * MINUTE)
    return world.resolves(missed, **rule)


def test_absence_reverts_and_what_reappears_has_what_is_left_of_its_boost() -> None:
    world = World()
    world.fires(alert(), **REVERT)
    world.passes(6 * MINUTE)
    assert gone(world, **REVERT).outcome == "reverted"
    assert world.history[-1].reason.endswith("the last of its alerts is listed no more")
    world.passes(MINUTE)
    assert world.fires(LISTED, **REVERT).outcome == "granted"
    assert world.runs_for_ms == 3 * MINUTE
    assert world.history[-1].reason.endswith("it is listed again, and has what was left")
    world.passes(MINUTE)
    assert world.fires(LISTED, **REVERT).outcome == "repeat"
    assert world.runs_for_ms == 2 * MINUTE


def test_a_webhook_finds_what_is_left_too() -> None:
    world = World()
    world.fires(alert(), **REVERT)
    gone(world, **REVERT)
    world.passes(4 * MINUTE)
    world.fires(alert(), **REVERT)
    assert world.runs_for_ms == 6 * MINUTE


def test_nothing_is_left_when_the_boost_would_be_over() -> None:
    world = World()
    world.fires(alert(), **REVERT)
    gone(world, **REVERT)
    world.passes(10 * MINUTE)
    assert world.fires(LISTED, **REVERT).outcome == "repeat"
    assert not world.boosts


def test_what_was_left_may_be_lost_and_found_any_number_of_times_and_grows_no_longer() -> None:
    world = World()
    world.fires(alert(), **REVERT)
    for minute in range(1, 10):
        world.passes(MINUTE)
        assert gone(world, **REVERT).outcome == "reverted"
        assert world.fires(LISTED, **REVERT).outcome == "granted"
        assert world.runs_for_ms == (10 - minute) * MINUTE


def test_with_while_firing_it_is_renewed_from_its_first_start() -> None:
    world, rule = World(), REVERT | LASTING
    world.fires(alert(), **rule)
    gone(world, **rule)
    world.passes(35 * MINUTE)
    assert world.fires(LISTED, **rule).outcome == "granted"
    assert world.runs_for_ms == 5 * MINUTE, "max_duration counts from there"
    gone(world, **rule)
    world.passes(5 * MINUTE)
    assert world.fires(LISTED, **rule).outcome == "at_max_duration"


def test_with_keep_absence_ends_nothing_and_the_episode_goes_on() -> None:
    world = World()
    world.fires(alert(), **LASTING)
    assert gone(world, **LASTING).reason == "the boost ends on schedule"
    world.passes(9 * MINUTE)
    assert world.fires(LISTED, **LASTING).outcome == "renewed"
    assert granted(world) == 1


def test_what_reappears_muted_has_what_is_left_once_it_is_muted_no_more() -> None:
    world = World()
    world.fires(alert(), **REVERT)
    gone(world, **REVERT)
    world.passes(MINUTE)
    assert world.fires(MUTED, **REVERT).outcome == "muted"
    world.passes(MINUTE)
    assert world.fires(LISTED, **REVERT).outcome == "granted"
    assert world.runs_for_ms == 8 * MINUTE


def test_what_is_left_and_refused_is_asked_for_again() -> None:
    world = World()
    world.fires(alert(), **REVERT)
    gone(world, **REVERT)
    world.refusal = FULL
    assert world.fires(LISTED, **REVERT).outcome == "refused"
    world.refusal = None
    world.passes(MINUTE)
    assert world.fires(LISTED, **REVERT).outcome == "granted"
    assert world.runs_for_ms == 9 * MINUTE


def test_what_was_absent_before_the_last_one_resolved_has_what_is_left() -> None:
    world, other = World(), alert("b")
    world.tells(alert(), other, **REVERT)
    assert gone(world, **REVERT).outcome == "resolved"
    assert world.resolves(other, **REVERT).outcome == "reverted"
    world.passes(MINUTE)
    assert world.fires(other, **REVERT).outcome == "repeat"
    assert world.fires(LISTED, **REVERT).outcome == "granted"
    assert world.runs_for_ms == 9 * MINUTE


def test_a_resolution_that_comes_after_the_absence_is_the_end() -> None:
    world = World()
    world.fires(alert(), **REVERT)
    gone(world, **REVERT)
    world.resolves(alert()._replace(ends_at_ms=world.now_ms), **REVERT)
    world.passes(MINUTE)
    assert world.fires(LISTED, **REVERT).outcome == "repeat"


def test_what_an_operator_ended_stays_ended_whether_it_was_absent_or_not() -> None:
    for absent in (False, True):
        world, other = World(), alert("b")
        world.tells(alert(), other, **REVERT)
        if absent:
            gone(world, **REVERT)
        world.released()
        gone(world, **REVERT)
        world.passes(MINUTE)
        assert world.fires(LISTED, **REVERT).outcome == "repeat"
        assert not world.boosts


def test_nothing_is_left_of_a_boost_that_was_ended_otherwise_while_its_alert_was_absent() -> None:
    world = World()
    world.fires(alert(), on_resolved="keep")
    gone(world, on_resolved="keep")
    world.released()
    world.passes(MINUTE)
    assert world.fires(LISTED, on_resolved="keep").outcome == "repeat"
    assert not world.boosts


def test_a_new_episode_after_an_absence_has_a_boost_of_its_own() -> None:
    world = World()
    world.fires(alert(), **REVERT)
    gone(world, **REVERT)
    world.passes(20 * MINUTE)
    anew = LISTED._replace(starts_at_ms=world.now_ms)
    assert world.fires(anew, **REVERT).outcome == "recovered"
    assert world.runs_for_ms == 10 * MINUTE
    (case,) = world.state.cases.values()
    assert case.left == NOTHING_LEFT


def test_the_absence_of_what_never_had_a_boost_is_not_held_against_it() -> None:
    world = World(refusal=FULL)
    world.fires(LISTED, **REVERT)
    assert gone(world, **REVERT).outcome == "resolved"
    world.refusal = None
    assert world.fires(LISTED, **REVERT).outcome == "recovered"


def test_the_same_absence_told_by_several_controllers_is_written_once() -> None:
    world = World()
    world.fires(alert(), **REVERT)
    for _ in range(3):
        gone(world, **REVERT)
        world.passes(1000)
    assert world.commits == 2


def test_the_cooldown_after_an_absence_counts_from_the_last_end() -> None:
    world, rule = World(), REVERT | {"cooldown_ms": 5 * MINUTE}
    world.fires(alert(), **rule)
    world.passes(MINUTE)
    gone(world, **rule)
    assert world.fires(LISTED, **rule).outcome == "granted", "it is no new episode"
    world.passes(9 * MINUTE)
    world.looks()
    other = world.fires(alert("b", started_ms=world.now_ms), **rule)
    assert (other.outcome, other.until_ms) == ("cooldown", START_MS + 15 * MINUTE)
