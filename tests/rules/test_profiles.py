"""A rule for several profiles: each of its boosts is what it would be alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.world import HIGH_CPU, MINUTE, START_MS, World, a_rule, alert
from upshift_agent.contract import PROFILES, Baseline, Cause, Profile
from upshift_rules.leases.changes import Release, SetBaseline
from upshift_rules.leases.draft import filter_key
from upshift_rules.leases.state import TargetState
from upshift_rules.leases.stored import decode_state, encode_state
from upshift_rules.leases.transition import limited, transition
from upshift_rules.model import Claim, Outcome, Refusal, Rule, Trigger

FULL = Refusal("max_boosted_agents", 10, 10, "no room")
WALL = replace(HIGH_CPU, profile="wall")


def both(world: World, told: Trigger, **rule: object) -> list[Outcome]:
    """What a rule for cpu and wall makes of an alert."""
    rules = [replace(world.rule, profile=it, **rule) for it in ("cpu", "wall")]  # type: ignore[arg-type]
    return [*world._apply([Claim(it, told, world.state.target, {}) for it in rules])]


# A rule for several


def test_a_rule_for_two_profiles_grants_a_lease_each_and_their_names_tell_them_apart() -> None:
    world = World()
    cpu, wall = both(world, alert())
    assert [it.id.split("/")[0] for it in world.boosts] == ["high_cpu", "high_cpu:wall"]
    assert [it.profile for it in world.boosts] == ["cpu", "wall"]
    assert [it.cause.rule for it in world.boosts] == ["high_cpu", "high_cpu:wall"]
    assert [(it.rule, it.profile, it.hz) for it in (cpu, wall)] == [
        ("high_cpu", "cpu", 100),
        ("high_cpu", "wall", 100),
    ]
    assert (cpu.reason, wall.reason) == ("100 Hz for 10m", "wall 100 Hz for 10m")


def test_of_heap_a_boost_is_told_in_snapshots_an_hour() -> None:
    assert World().fires(profile="heap", frequency_hz=4).reason == "heap 4 an hour for 10m"


def test_another_alert_joins_and_renews_the_boost_of_each_profile() -> None:
    world = World()
    both(world, alert("a"))
    assert {it.outcome for it in both(world, alert("a"))} == {"repeat"}
    assert {it.outcome for it in both(world, alert("b"))} == {"joined"}
    world.passes(MINUTE)
    assert {it.outcome for it in both(world, alert("c"))} == {"renewed"}
    assert len(world.boosts) == 2


def test_with_on_resolved_revert_the_last_alert_ends_the_boosts_of_both_profiles() -> None:
    world = World(rule=replace(HIGH_CPU, on_resolved="revert"))
    both(world, alert("a"))
    both(world, alert("b"))
    both(world, alert("a")._replace(status="resolved"))
    assert len(world.boosts) == 2
    ended = both(world, alert("b")._replace(status="resolved"))
    assert [it.outcome for it in ended] == ["reverted", "reverted"]
    assert world.boosts == []


def test_the_cooldown_of_one_profile_is_not_the_others() -> None:
    world = World(rule=replace(HIGH_CPU, cooldown_ms=60 * MINUTE))
    world.fires(alert("a"), profile="wall")
    world.passes(10 * MINUTE)
    cpu, wall = both(world, alert("b"))
    assert (cpu.outcome, wall.outcome) == ("granted", "cooldown")
    assert wall.reason == "no new boost by high_cpu:wall here for another 1h"


def test_one_profile_that_is_refused_leaves_the_other_granted() -> None:
    claims = [Claim(it, alert(), "service/checkout", {}) for it in (HIGH_CPU, WALL)]
    state = TargetState(target="service/checkout")
    step = limited(state, claims, START_MS, lambda it: FULL if it.profile == "wall" else None)
    assert [it.outcome for it in step.outcomes] == ["granted", "refused"]


def test_to_release_one_leaves_the_other() -> None:
    world = World()
    _, wall = both(world, alert())
    world.released(wall.lease)
    assert [it.profile for it in world.boosts] == ["cpu"]
    assert [it.outcome for it in both(world, alert())] == ["repeat", "repeat"]


Told = tuple[str, int, int, frozenset[Profile]]
told = st.tuples(
    st.sampled_from(["fires", "fires", "resolves", "released", "looks"]),
    st.integers(0, 3),  # which alert
    st.sampled_from([0, 1, MINUTE, 7 * MINUTE, 20 * MINUTE]),  # after how many ms
    st.frozensets(st.sampled_from(PROFILES), min_size=1, max_size=3),  # by the rules of which
)


@dataclass
class Seen:
    """What was answered about profiles, and the leases that there are of them, after one step."""

    said: list[tuple[str | None, str, int | None, int | None]]
    boosts: list[tuple[str, int, int, int]]

    def of(self, profile: str) -> Seen:
        return Seen(
            [it for it in self.said if it[0] == profile],
            [it for it in self.boosts if it[0] == profile],
        )


def play(script: list[Told], rules: dict[Profile, Rule]) -> Iterator[Seen]:
    world = World()
    for verb, which, after_ms, meant in script:
        world.passes(after_ms)
        trigger = alert(f"{which:016x}", started_ms=START_MS - 1000 + which)
        if verb == "resolves":
            trigger = trigger._replace(status="resolved", ends_at_ms=world.now_ms)
        mine = [it for it in PROFILES if it in meant and it in rules]
        outcomes: tuple[Outcome, ...] = ()
        if verb == "looks":
            world.looks()
        elif verb == "released":
            leases = [it.id for it in world.boosts if it.profile in mine]
            cause = Cause.of_operator("ann")
            world._apply([Release(lease=it, cause=cause) for it in leases])
        else:
            claims = [Claim(rules[it], trigger, world.state.target, {}) for it in mine]
            outcomes = world._apply([*claims])
        yield Seen(
            [(it.profile, it.outcome, it.hz, it.until_ms) for it in outcomes],
            [(it.profile, it.hz, it.since_ms, it.expires_at_ms) for it in world.boosts],
        )


@settings(max_examples=150)
@given(st.lists(told, max_size=30), st.integers(0, 2**32))
def test_the_boosts_of_a_profile_are_what_they_would_be_without_the_others(
    script: list[Told], seed: int
) -> None:
    """Whatever the rules are: no two of them touch each other's leases."""
    random = Random(seed)
    rules = {it: replace(a_rule(random), profile=it) for it in PROFILES}
    together = list(play(script, rules))
    for profile, rule in rules.items():
        alone = play(script, {profile: rule})
        assert [it.of(profile) for it in together] == [it.of(profile) for it in alone]


# What is known of targets

#: As a controller that knew cpu alone has stored it.
STORED = b"""{"rev":1795395815000001,"plan_rev":1795395815000001,"plan_after":1795395815000000,\
"leases":[{"id":"high_cpu/31c69e4e","kind":"boost","profile":"cpu","hz":100,\
"since_ms":1795395815000,"expires_at_ms":1795396415000,"where":{},"fraction":1.0,"because":\
{"rule":"high_cpu","alertname":"HighCPU","fingerprint":"4bd675a02c6e66f0"}}],"cases":{"high_cpu":\
{"lease":"high_cpu/31c69e4e","started":1795395815000,"episodes":\
{"4bd675a02c6e66f0":[1795395814000,1795395815000]}}}}"""


def test_a_state_that_was_stored_before_is_read_and_goes_on() -> None:
    stored = decode_state("service/checkout", STORED)
    assert encode_state(stored).encode() == STORED
    world = World(state=stored, rule=replace(HIGH_CPU, on_resolved="revert"))
    assert [it.outcome for it in both(world, alert())] == ["repeat", "granted"]
    over = alert()._replace(status="resolved")
    assert [it.outcome for it in both(world, over)] == ["reverted", "reverted"]


def test_a_baseline_of_another_profile_is_a_change_and_is_told() -> None:
    world = World(state=TargetState(target="fleet"))
    world.told(SetBaseline(Baseline(19), since_ms=START_MS))
    more = SetBaseline(Baseline(19, profiles={"wall": 9, "heap": 1}), since_ms=START_MS + 1)
    outcome = world.told(more)
    assert (outcome.outcome, world.told(more).outcome) == ("granted", "repeat")
    assert world.history[-1].reason == "baseline 19 Hz by default, wall 9 Hz, heap 1 an hour"


def test_leases_of_two_profiles_are_looked_at_in_one_step_whatever_their_order() -> None:
    claims = [Claim(it, alert(), "service/checkout", {}) for it in (WALL, HIGH_CPU)]
    state = TargetState(target="service/checkout")
    one, other = (transition(state, order, START_MS).state for order in (claims, claims[::-1]))
    assert one == other


def test_leases_that_mean_the_same_agents_have_one_filter() -> None:
    one, other = {"a": "1", "b": ("2", "3")}, {"b": ("2", "3"), "a": "1"}
    assert filter_key(one) == filter_key(other) != filter_key({"a": "1"})
    assert filter_key({}) == ""
