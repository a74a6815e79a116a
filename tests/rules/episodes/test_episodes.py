"""What an episode is, and what is remembered of it: the theory at the head of `boosts`."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.episodes.parts import HOUR, A, B, C, crowd, granted, resolved
from rules.world import HIGH_CPU, MINUTE, START_MS, World, alert
from upshift_agent.contract.errors import WireError
from upshift_rules.leases.memory import MAX_EPISODES
from upshift_rules.leases.stored import decode_state, encode_state
from upshift_rules.model import Refusal, Trigger


def test_startsat_that_moves_back_is_the_same_episode_and_still_reverts() -> None:
    world = World(rule=replace(HIGH_CPU, on_resolved="revert"))
    world.fires(A)
    world.passes(MINUTE)
    earlier = A._replace(starts_at_ms=A.starts_at_ms - 15_000)  # that of the other Prometheus
    assert world.fires(earlier).outcome == "repeat"
    assert world.told(world._claim(resolved(earlier, world.now_ms), {})).outcome == "reverted"


def test_startsat_that_moves_on_within_what_was_heard_is_the_same_episode() -> None:
    world = World()
    world.fires(A)
    world.passes(20 * MINUTE)
    world.fires(A)
    later = A._replace(starts_at_ms=START_MS + 15 * MINUTE)  # it fired before, and at 20 minutes
    assert world.fires(later).outcome == "repeat"
    assert granted(world) == 1


def test_a_lost_resolution_neither_costs_the_next_boost_nor_its_revert() -> None:
    world = World(rule=replace(HIGH_CPU, on_resolved="revert"))
    world.fires(A)
    world.passes(HOUR)
    again = A._replace(starts_at_ms=world.now_ms - 1)
    assert world.fires(again).outcome == "granted"
    assert world.told(world._claim(resolved(again, world.now_ms), {})).outcome == "reverted"


def test_a_resolution_that_comes_late_does_not_end_the_next_episodes_boost() -> None:
    world = World(rule=replace(HIGH_CPU, on_resolved="revert"))
    world.fires(A)
    world.passes(MINUTE)
    late = resolved(A, world.now_ms)
    world.passes(MINUTE)
    world.fires(A._replace(starts_at_ms=world.now_ms))
    outcome = world.told(world._claim(late, {}))
    assert (outcome.outcome, outcome.reason) == ("resolved", "it has fired anew since")
    assert len(world.boosts) == 1


def test_what_fires_anew_after_its_resolution_is_a_new_episode_and_what_is_late_is_not() -> None:
    world = World(rule=replace(HIGH_CPU, on_resolved="revert"))
    world.fires(A)
    world.passes(MINUTE)
    world.told(world._claim(resolved(A, world.now_ms), {}))
    moved = A._replace(starts_at_ms=world.now_ms - 10_000)
    assert world.fires(moved).outcome == "repeat", "it had not resolved then"
    assert world.fires(A._replace(starts_at_ms=world.now_ms + 1)).outcome == "granted"


def test_with_revert_an_alert_that_resolved_before_it_was_heard_firing_has_resolved() -> None:
    world = World(rule=replace(HIGH_CPU, on_resolved="revert"))
    world.told(world._claim(resolved(A, START_MS), {}))
    assert world.fires(A).outcome == "repeat"


def test_a_boost_that_was_taken_up_again_is_that_of_all_who_fire() -> None:
    rule = replace(HIGH_CPU, while_firing=True, on_resolved="revert")
    world = World(rule=rule)
    world.tells(A, B)
    world.passes(15 * MINUTE)
    assert world.fires(A).outcome == "granted"
    world.told(world._claim(resolved(A, world.now_ms), {}))
    assert len(world.boosts) == 1, "B fires"
    world.released()
    assert world.fires(B).outcome == "repeat"
    assert world.boosts == [], "an operator ended it"


def test_a_cooldown_is_for_the_next_episode_not_for_an_alert_that_never_resolved() -> None:
    rule = replace(HIGH_CPU, while_firing=True, cooldown_ms=HOUR)
    world = World(rule=rule)
    world.fires(A)
    world.passes(15 * MINUTE)
    later = B._replace(starts_at_ms=world.now_ms)
    assert world.fires(later).outcome == "cooldown"
    assert world.fires(A).outcome == "granted"
    world.passes(40 * MINUTE)
    assert world.fires(A).outcome == "at_max_duration"


def test_a_late_notice_that_takes_a_boost_up_again_does_not_set_its_episode_back() -> None:
    """Else a word of the former episode's end, later still, would end the boost of this one."""
    rule = replace(HIGH_CPU, while_firing=True, max_duration_ms=HOUR, on_resolved="revert")
    world = World(rule=rule)
    world.fires(A)
    late = resolved(A, START_MS + MINUTE)  # lost, at first
    world.passes(HOUR)
    assert world.fires(A._replace(starts_at_ms=world.now_ms)).outcome == "granted"
    world.passes(15 * MINUTE)
    assert world.fires(A).outcome == "granted", "it fires, whatever start the notice names"
    assert world.told(world._claim(late, {})).reason == "it has fired anew since"
    assert len(world.boosts) == 1


@given(st.permutations([resolved(A, START_MS), B, C]))
def test_who_resolves_and_who_fires_may_come_in_any_order(told: list[Trigger]) -> None:
    world = World(rule=replace(HIGH_CPU, on_resolved="revert", cooldown_ms=HOUR))
    world.fires(A)
    world.passes(MINUTE)
    names = [it.identity for it in told]
    outcomes = dict(zip(names, (it.outcome for it in world.tells(*told)), strict=True))
    assert outcomes == {
        A.identity: "resolved",
        B.identity: "renewed",
        C.identity: "joined",
    }
    assert len(world.boosts) == 1


def test_a_boost_keeps_the_frequency_it_was_granted_and_outcomes_tell_it() -> None:
    world = World()
    world.fires(A)
    world.passes(MINUTE)
    slower, faster = {"frequency_hz": 49}, {"frequency_hz": 150}
    outcome = world.fires(B, **faster)
    assert (outcome.outcome, outcome.hz) == ("renewed", 100)
    assert world.fires(A, **slower).hz == 100
    world.passes(MINUTE)
    outcome = world.fires(C, **slower)
    assert (outcome.outcome, outcome.hz) == ("joined", 100)
    assert "runs out" in outcome.reason
    assert world.runs_for_ms == 9 * MINUTE, "what the rule allows no more is not renewed"


def test_a_state_of_a_newer_controller_can_be_read() -> None:
    world = World(rule=replace(HIGH_CPU, cooldown_ms=HOUR))
    world.tells(*crowd(600))
    world.resolves(A)
    world.fires(B, name="refused")
    document = json.loads(encode_state(world.state))

    def grown(value: object) -> object:
        """Every object has a field more, every list an item more."""
        if isinstance(value, dict):
            return {k: grown(v) for k, v in value.items()}
        return [*value, "new"] if isinstance(value, list) else value

    for case in document["cases"].values():
        case["later"] = {"a": 1}
        case["episodes"] = {k: [*row, None, "new"] for k, row in case["episodes"].items()}
        case["forgotten"] = grown(case.get("forgotten", [0, 0]))
    document["later"] = [1]
    text = json.dumps(document, separators=(",", ":")).encode()
    assert decode_state(world.state.target, text).cases.keys() == world.state.cases.keys()


@pytest.mark.parametrize("cases", ['{"a":[]}', '{"a":{"episodes":[1]}}', '{"a":null}'])
def test_a_case_that_cannot_be_read_takes_nothing_else_with_it(cases: str) -> None:
    text = '{"rev":1,"plan_rev":1,"plan_after":0,"leases":[],"cases":' + cases + "}"
    skipped: list[str] = []
    assert decode_state("service/checkout", text.encode(), skipped.append).rev == 1
    assert len(skipped) == 1


@pytest.mark.parametrize("cases", ["[]", "1"])
def test_a_state_that_is_none_is_refused_whole(cases: str) -> None:
    text = '{"rev":1,"plan_rev":1,"plan_after":0,"leases":[],"cases":' + cases + "}"
    with pytest.raises(WireError):
        decode_state("service/checkout", text.encode())


def test_clocks_that_are_ahead_neither_bring_boosts_nor_prevent_them() -> None:
    world = World()
    ahead = alert("ahead", started_ms=START_MS + 365 * 24 * HOUR)
    world.fires(ahead)
    for _ in range(5):
        world.passes(HOUR)
        assert world.fires(ahead).outcome == "repeat"
    world.told(world._claim(resolved(ahead, 2**52), {}))
    world.passes(10 * MINUTE)
    assert world.fires(alert("ahead", started_ms=world.now_ms)).outcome == "granted"


def test_a_redis_clock_that_was_a_year_ahead_and_comes_back_stops_nothing() -> None:
    rule = replace(HIGH_CPU, while_firing=True, on_resolved="revert", cooldown_ms=HOUR)
    world = World(rule=rule)
    year = 365 * 24 * HOUR
    world.passes(year)
    world.tells(*crowd(MAX_EPISODES + 5))
    world.passes(-year)
    world.looks()
    (boost,) = world.boosts
    assert boost.expires_at_ms <= world.now_ms + rule.duration_ms
    world.passes(2 * HOUR)
    later = alert(f"{7:016x}", started_ms=world.now_ms)
    assert world.fires(later).outcome == "granted"
    world.passes(-year)
    world.looks()
    world.passes(rule.max_duration_ms)
    world.looks()
    assert world.boosts == []


#: Any JSON, some of it nearly right.
_values = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
_times = st.integers(0, 2 * START_MS)
_cases = st.fixed_dictionaries(
    {},
    optional={
        "lease": _values | st.just("boost/1"),
        "started": _values | _times,
        "cooling": _values | _times,
        "episodes": _values | st.dictionaries(st.just(A.identity), st.lists(_times | _values)),
        "forgotten": _values | st.lists(_times, max_size=3),
        "refusal": _values | st.tuples(st.text(), st.text(), _times),
    },
)


@given(_cases)
def test_what_the_decoder_takes_breaks_nothing_later(case: dict[str, object]) -> None:
    document = {"rev": 1, "plan_rev": 1, "plan_after": 0, "leases": []}
    text = json.dumps(document | {"cases": {"high_cpu": case}}, separators=(",", ":"))
    try:
        state = decode_state("service/checkout", text.encode())
    except WireError:
        return
    rule = replace(HIGH_CPU, while_firing=True, on_resolved="revert", cooldown_ms=HOUR)
    world = World(rule=rule, state=state)
    for act in (world.fires, world.resolves):
        act(A)
        act(B)
    world.looks()
    world.released()
    world.refusal = Refusal("limit", 1, 1, "too many")
    world.fires(C)
