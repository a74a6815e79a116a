"""What rules of `on_rollout` make of rollouts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.world import MINUTE, START_MS
from upshift_agent.contract import SERVICE_VERSION, Baseline, Cause
from upshift_rules.claims import claims_of, explain
from upshift_rules.documents.document import read_rules
from upshift_rules.leases.agents import Agent
from upshift_rules.leases.changes import Change, Release, Transition
from upshift_rules.leases.limiting.reserving import part
from upshift_rules.leases.limits import Limits
from upshift_rules.leases.rooms import RULES, room_of
from upshift_rules.leases.state import RESOLVED, TargetState
from upshift_rules.leases.stored import decode_state, encode_state
from upshift_rules.leases.transition import revised, transition
from upshift_rules.model import Claim, RuleSet, Trigger
from upshift_rules.rollouts import in_words, rollout

HOME = "service/checkout"
ATTRIBUTES = {
    "service.name": "checkout",
    SERVICE_VERSION: "2.1.0",
    "deployment.environment.name": "production",
    "k8s.namespace.name": "shop",
}


def rules_of(text: str) -> RuleSet:
    return read_rules(f"sampling: {text}", "rules.yaml").document.sampling.rule_set()


RULES_OF_ROLLOUTS = rules_of(
    "{on_rollout: [{frequency: 99, duration: 15m, cooldown: 1h}],"
    " on_alert: [{trigger: high_cpu, frequency: 49, duration: 10m}]}"
)


def of(version: str = "2.1.0", at_ms: int = START_MS) -> Trigger:
    return rollout({**ATTRIBUTES, SERVICE_VERSION: version}, at_ms)


def claim(trigger: Trigger, rules: RuleSet = RULES_OF_ROLLOUTS) -> Claim:
    (found,) = claims_of(rules, trigger)
    assert isinstance(found, Claim)
    return found


class Target:
    """One target, whose state goes through its stored form at each step."""

    def __init__(self) -> None:
        self.state = TargetState(target=HOME)
        self.now_ms = START_MS

    def does(self, *changes: Change) -> Transition:
        step = transition(self.state, changes, self.now_ms)
        if step.state is not self.state:
            after = revised(self.state, step.state, self.now_ms * 1000)
            self.state = decode_state(HOME, encode_state(after).encode())
        return step

    def rolls_out(self, version: str = "2.1.0") -> str:
        (outcome,) = self.does(claim(of(version, self.now_ms))).outcomes
        return outcome.outcome


def test_a_rollout_boosts_the_agents_of_its_version_where_it_is() -> None:
    found = claim(of())
    assert found.target == HOME
    assert found.where == {name: ATTRIBUTES[name] for name in ATTRIBUTES if name != "service.name"}
    assert found.soft == (), "agents report all of it, so nothing of it is ever left out"


def test_rules_of_alerts_and_of_rollouts_do_not_meet_each_other_s_triggers() -> None:
    only_alerts = rules_of("{on_alert: [{trigger: high_cpu, frequency: 49, duration: 10m}]}")
    (outcome,) = claims_of(only_alerts, of())
    assert not isinstance(outcome, Claim)
    assert outcome.reason == "there are no rules of on_rollout"
    alert = Trigger("firing", {"alertname": "rollout", "service": "checkout"}, "f", START_MS)
    (none,) = claims_of(RULES_OF_ROLLOUTS, alert)
    assert not isinstance(none, Claim)


@pytest.mark.parametrize(
    ("match", "matches", "reason"),
    [
        ('service="checkout"', True, 'service="checkout" fits'),
        ('version=~"2[.].*", namespace="shop"', True, 'version=~"2[.].*", namespace="shop" fits'),
        ('environment="staging"', False,
         "environment=\"staging\" is wanted, the rollout has 'production'"),
        ('cluster="eu"', False, 'cluster="eu" is wanted, the rollout has no cluster'),
    ],
)  # fmt: skip  # one case a row
def test_a_match_list_says_which_rollouts(match: str, matches: bool, reason: str) -> None:
    rules = rules_of(f"{{on_rollout: [{{frequency: 99, duration: 15m, match: ['{match}']}}]}}")
    (verdict,) = explain(rules, of())
    assert (verdict.matches, verdict.reason) == (matches, reason)
    assert isinstance(claims_of(rules, of())[0], Claim) == matches


def test_without_a_match_list_it_is_for_every_rollout() -> None:
    (verdict,) = explain(RULES_OF_ROLLOUTS, of())
    assert (verdict.matches, verdict.reason) == (True, "it is for every rollout")


def test_the_same_rollout_told_twice_is_one_boost() -> None:
    target = Target()
    first = claim(of())
    (granted,) = target.does(first).outcomes
    target.now_ms += 5000
    (again,) = target.does(first).outcomes
    assert (granted.outcome, again.outcome) == ("granted", "repeat")
    assert len(target.state.leases) == 1


def test_a_lease_says_that_it_is_there_because_of_a_rollout() -> None:
    target = Target()
    target.rolls_out()
    (lease,) = target.state.leases
    assert lease.cause.origin == "rollout"
    assert lease.reason == f"boost {lease.id}: rollout of 2.1.0"
    assert lease.id.startswith("rollout/")
    assert room_of(lease) == RULES
    assert lease.hz == 99
    assert lease.expires_at_ms == START_MS + 15 * MINUTE


def test_the_other_causes_are_what_they_were() -> None:
    assert Cause.of_rule("a", alertname="b", fingerprint="c").origin == "rule"
    assert Cause.of_operator("ann").origin == "operator"


def test_the_cooldown_is_of_all_versions_of_the_service() -> None:
    target = Target()
    assert target.rolls_out("2") == "granted"
    target.now_ms += 20 * MINUTE
    assert target.rolls_out("3") == "cooldown"
    target.now_ms += 60 * MINUTE
    assert target.rolls_out("4") == "granted"


def test_the_cooldown_of_a_boost_that_was_released_begins_early() -> None:
    target = Target()
    target.rolls_out("2")
    target.now_ms += MINUTE
    target.does(Release(lease=None, cause=Cause.of_operator("ann")))
    target.now_ms += 59 * MINUTE
    assert target.rolls_out("3") == "cooldown"
    target.now_ms += 2 * MINUTE
    assert target.rolls_out("3") == "granted"


def test_a_version_that_is_rolled_out_again_meanwhile_keeps_its_boost_for_longer() -> None:
    target = Target()
    target.rolls_out("2")
    target.now_ms += 5 * MINUTE
    assert target.rolls_out("2") == "renewed"
    (lease,) = target.state.leases
    assert lease.expires_at_ms == target.now_ms + 15 * MINUTE


def test_without_a_cooldown_two_versions_have_a_boost_each() -> None:
    rules = rules_of("{on_rollout: [{frequency: 99, duration: 15m}]}")
    target = Target()
    outcomes = target.does(claim(of("2"), rules), claim(of("3"), rules)).outcomes
    assert [it.outcome for it in outcomes] == ["granted", "granted"]
    assert {lease.where[SERVICE_VERSION] for lease in target.state.leases} == {"2", "3"}


def test_a_rollout_is_over_as_soon_as_it_is_told() -> None:
    """So a state that sees ten of them a day does not grow for a week."""
    target = Target()
    target.rolls_out()
    ended = [it.ended for case in target.state.cases.values() for it in case.episodes.values()]
    assert ended == [RESOLVED]
    target.now_ms += 26 * 60 * MINUTE
    target.does()
    target.does(claim(replace_start(of("9"), target.now_ms)))
    assert len(target.state.cases) == 2, "the one of now, and its cooldown"


def replace_start(trigger: Trigger, at_ms: int) -> Trigger:
    return trigger._replace(starts_at_ms=at_ms)


def test_a_rollout_counts_for_all_agents_that_will_be_of_its_version() -> None:
    """At its grant one of them lives, as a rule."""
    target = Target()
    target.rolls_out("2")
    (lease,) = target.state.leases
    here = {name: it for name, it in ATTRIBUTES.items() if name != SERVICE_VERSION}
    agents = [Agent({**here, SERVICE_VERSION: version}) for version in ("1", "1", "1", "2")]
    elsewhere = Agent({**here, "deployment.environment.name": "staging", SERVICE_VERSION: "1"})
    needed = part(HOME, lease, [*agents, elsewhere], Baseline(19), Limits(), anybody=True)
    assert needed is not None
    assert needed.agents == 4


def test_a_rollout_in_words() -> None:
    assert in_words(of()) == "checkout 2.1.0 rolled out in production, shop"
    alone = rollout({"service.name": "a", SERVICE_VERSION: "1"}, START_MS)
    assert in_words(alone) == "a 1 rolled out"


def test_one_entry_for_two_profiles_makes_a_boost_for_each() -> None:
    rules = rules_of("{on_rollout: [{frequency: 49, duration: 15m, profile: [cpu, wall]}]}")
    found = claims_of(rules, of())
    assert [it.rule.key for it in found if isinstance(it, Claim)] == ["rollout", "rollout:wall"]
    assert replace(rules.rollouts[0], profile="wall") == rules.rollouts[1]
