"""What guards do to boosts, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.world import HIGH_CPU, MINUTE, World, alert, override
from upshift_agent.contract import Baseline
from upshift_rules.guards.answer import Answer, Guards, unknown
from upshift_rules.guards.query import parse_query
from upshift_rules.leases.changes import Stop
from upshift_rules.matching import claims_of
from upshift_rules.model import Claim, Outcome, Rule, RuleSet, Trigger

GUARDED = replace(HIGH_CPU, only_if=parse_query("up"), stop_if=parse_query("slow"))
YES, NO = Answer(True, "is true: 3"), Answer(False, "is false: 0")
NOBODY_KNOWS = unknown("Prometheus cannot be reached")


@dataclass
class GuardedWorld(World):
    """Prometheus says `answer`; None: nobody has asked it yet."""

    rule: Rule = GUARDED
    answer: Answer | None = None
    guards: Guards = field(default_factory=lambda: Guards("up", "slow"))

    def _claim(self, told: Trigger, rule: dict[str, object]) -> Claim:
        guards = self.guards._replace(answer=self.answer)
        return super()._claim(told, rule)._replace(guards=guards)


def test_a_boost_waits_until_its_guard_was_asked_and_nothing_changes_meanwhile() -> None:
    world = GuardedWorld()
    assert world.fires().outcome == "unasked"
    assert (world.commits, world.history, world.boosts) == (0, [], [])


def test_a_guard_that_is_true_grants_and_its_value_is_in_outcome_and_history() -> None:
    world = GuardedWorld(answer=YES)
    assert world.fires().reason == "100 Hz for 10m; only_if is true: 3; until stop_if is true: slow"
    assert "only_if is true: 3" in world.history[0].reason


def test_a_guard_that_is_false_refuses_and_the_history_has_it_once() -> None:
    world = GuardedWorld(answer=NO)
    for _ in range(3):
        outcome = world.fires()
        assert (outcome.outcome, outcome.reason) == ("refused", "only_if is false: 0")
        world.passes(5 * MINUTE)
    (entry,) = world.history
    assert (entry.event, entry.limit) == ("refused", "only_if")
    assert not world.boosts


def test_a_refused_alert_that_fires_on_gets_its_boost_once_its_guard_is_true() -> None:
    world = GuardedWorld(answer=NO)
    world.fires()
    world.answer = YES
    assert world.fires().outcome == "granted"


@pytest.mark.parametrize(("if_unknown", "outcome"), [("grant", "granted"), ("refuse", "refused")])
def test_where_nobody_knows_the_rule_decides(if_unknown: str, outcome: str) -> None:
    found = GuardedWorld(answer=NOBODY_KNOWS).fires(if_unknown=if_unknown)
    assert found.outcome == outcome
    assert "only_if is unknown: Prometheus cannot be reached" in found.reason


def test_repeats_renewals_and_alerts_that_join_ask_nobody() -> None:
    world = GuardedWorld(answer=YES)
    world.fires()
    world.answer = None
    assert world.fires().outcome == "repeat"
    world.passes(MINUTE)
    assert world.fires(while_firing=True).outcome == "renewed"
    assert world.fires(alert("other")).outcome == "joined"
    assert world.resolves().outcome == "resolved"


def test_a_boost_that_is_taken_up_again_is_asked_about_again() -> None:
    world = GuardedWorld(answer=YES)
    world.fires(while_firing=True)
    world.passes(11 * MINUTE)
    world.answer = None
    assert world.fires(while_firing=True).outcome == "unasked"


def test_a_false_guard_of_one_alert_leaves_the_others_of_the_webhook_alone() -> None:
    world = GuardedWorld()
    claims = [
        Claim(GUARDED, alert(name), world.state.target, {}, (), Guards("up", "", answer))
        for name, answer in (("a", NO), ("b", YES))
    ]
    refused, granted = world._apply([*claims])
    assert (refused.outcome, granted.outcome) == ("refused", "granted")


def stopped(world: World, lease: str) -> Outcome:
    return world.told(Stop(lease, "is true: 0.9, twice in a row"))


def test_a_stop_if_ends_a_boost_once_and_its_alerts_bring_nothing_back() -> None:
    world = GuardedWorld(answer=YES)
    world.fires(while_firing=True)
    (lease,) = world.boosts
    assert world.state.stops == {lease.id: "slow"}
    world.passes(MINUTE)
    assert stopped(world, lease.id).outcome == "reverted"
    assert stopped(world, lease.id).outcome == "no_lease"  # another controller's
    assert [it.event for it in world.history] == ["granted", "reverted"]
    assert world.history[-1].reason.endswith("stop_if is true: 0.9, twice in a row")
    assert world.state.stops == {}
    again = world.fires(while_firing=True)
    assert (again.outcome, again.reason) == (
        "repeat",
        "this episode was stopped by stop_if before",
    )
    assert world.fires(alert("next", started_ms=world.now_ms)).outcome == "granted"


def test_after_a_stop_the_cooldown_begins() -> None:
    world = GuardedWorld(answer=YES)
    world.fires(cooldown_ms=10 * MINUTE)
    world.passes(MINUTE)
    stopped(world, world.boosts[0].id)
    world.passes(9 * MINUTE)
    later = alert("next", started_ms=world.now_ms)
    assert world.fires(later, cooldown_ms=10 * MINUTE).outcome == "cooldown"
    world.passes(2 * MINUTE)
    assert world.fires(later, cooldown_ms=10 * MINUTE).outcome == "granted"


def test_what_is_to_be_asked_ends_with_its_lease() -> None:
    world = GuardedWorld(answer=YES)
    world.fires()
    world.told(replace(override("boost", 99), stop_if="mine"))
    assert sorted(world.state.stops.values()) == ["mine", "slow"]
    world.passes(10 * MINUTE)
    world.looks()
    assert world.state.stops == {"boost/1": "mine"}
    world.released("boost/1")
    assert world.state.stops == {}


def test_what_the_alert_does_not_name_is_unknown_and_said() -> None:
    rule = replace(
        HIGH_CPU,
        only_if=parse_query('up{e="{{ environment }}"}'),
        stop_if=parse_query('up{p="{{ labels.pod }}"}'),
    )
    rules = RuleSet(baseline=Baseline(19), rules=(rule,))
    (claim,) = claims_of(rules, alert())
    assert isinstance(claim, Claim)
    world = World(rule=rule)
    outcome = world.told(claim)
    assert outcome.outcome == "granted"
    assert outcome.reason == (
        "100 Hz for 10m; only_if is unknown: no environment is named; "
        "stop_if is not asked: there is no label pod"
    )
    assert world.state.stops == {}


def test_a_rule_for_two_profiles_asks_the_same() -> None:
    rules = RuleSet(baseline=Baseline(19), rules=(GUARDED, replace(GUARDED, profile="wall")))
    one, other = claims_of(rules, alert())
    assert isinstance(one, Claim)
    assert isinstance(other, Claim)
    assert one.guards == other.guards == Guards("up", "slow")


answers = st.sampled_from([None, YES, NO, NOBODY_KNOWS])
moves = st.tuples(st.sampled_from(["fires", "resolves", "stop"]), answers, st.integers(0, 12))


@given(st.lists(moves, max_size=20), st.booleans())
def test_no_sequence_grants_without_a_yes_or_asks_of_what_does_not_live(
    several: list[tuple[str, Answer | None, int]], while_firing: bool
) -> None:
    world = GuardedWorld(rule=replace(GUARDED, if_unknown="refuse", while_firing=while_firing))
    for what, answer, minutes in several:
        world.answer, before = answer, len(world.history)
        if what == "stop":
            for lease in world.boosts:
                stopped(world, lease.id)
        else:
            getattr(world, what)()
        for entry in world.history[before:]:
            assert entry.event != "granted" or answer is YES
        assert world.state.stops.keys() == {lease.id for lease in world.state.leases}
        world.passes(minutes * MINUTE)
