"""What operators ask for, and the properties that hold for every sequence of changes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.world import HIGH_CPU, MINUTE, START_MS, World, alert, override
from upshift_agent.contract import Baseline, Cause, Kind
from upshift_rules.leases.changes import Override, SetBaseline
from upshift_rules.leases.state import TargetState
from upshift_rules.leases.transition import revised, transition


def cap(name: str = "cap/1", *, minutes: int = 10) -> Override:
    return Override(
        id=name,
        kind="cap",
        hz=0,
        duration_ms=minutes * MINUTE,
        where={},
        cause=Cause.of_operator("ann", reason="rollout"),
    )


def test_an_override_ends_by_itself_and_the_history_says_who_and_why() -> None:
    world = World()
    outcome = world.told(cap())
    assert (outcome.outcome, outcome.lease) == ("granted", "cap/1")
    granted = world.history[0]
    assert (granted.event, granted.by) == ("granted", "ann")
    assert granted.reason == "cap/1: rollout, by ann"
    world.passes(10 * MINUTE)
    world.looks()
    assert world.state.leases == ()
    assert world.history[-1].reason == "cap/1: rollout, by ann; it ran to its end"


def test_releasing_one_lease_leaves_the_others() -> None:
    world = World()
    world.told(cap("cap/1"))
    world.told(cap("cap/2"))
    assert world.released("cap/1").outcome == "released"
    assert [it.id for it in world.boosts] == ["cap/2"]
    assert world.history[-1].by == "ann"


def test_releasing_what_is_not_there_changes_nothing_and_says_so() -> None:
    world = World()
    outcome = world.released("cap/9")
    assert outcome.outcome == "no_lease"
    assert "cap/9" in outcome.reason
    assert world.commits == 0


@pytest.mark.parametrize(
    ("kind", "hz", "asked", "profile", "reason"),
    [
        ("boost", 100, None, "cpu", "boost 100 Hz for 1h"),
        ("pin", 0, None, "cpu", "pin 0 Hz for 1h"),
        ("cap", 50, None, "cpu", "cap 50 Hz for 1h"),
        ("cap", 0, None, "all", "cap 0 Hz for 1h"),
        ("cap", 0, "cpu", "cpu", "cap cpu 0 Hz for 1h"),
        ("cap", 50, "all", "all", "cap all 50 Hz for 1h"),
        ("boost", 100, "cpu", "cpu", "boost 100 Hz for 1h"),
        ("boost", 4, "heap", "heap", "boost heap 4 an hour for 1h"),
    ],
)
def test_an_override_is_for_cpu_and_a_kill_switch_for_all_unless_it_names_one(
    kind: Kind, hz: int, asked: str | None, profile: str, reason: str
) -> None:
    world = World()
    outcome = world.told(override(kind, hz, asked))
    assert (outcome.profile, outcome.reason) == (profile, reason)
    assert [it.profile for it in world.boosts] == [profile]


def test_stops_of_one_profile_never_take_the_place_of_a_kill_switch() -> None:
    world = World()
    for number in range(16):
        assert world.told(override("cap", 0, name=f"all-{number}")).outcome == "granted"
    for number in range(64):
        longer = replace(override("cap", 0, "cpu", f"{number}"), duration_ms=90 * MINUTE)
        assert world.told(longer).outcome == "granted"
    assert sum(it.profile == "all" for it in world.boosts) == 16


def test_a_baseline_that_is_known_is_not_published_again() -> None:
    world = World(state=TargetState(target="fleet"))
    change = SetBaseline(Baseline(19, {"staging": 49}), since_ms=START_MS)
    assert world.told(change).outcome == "granted"
    assert world.told(change).outcome == "repeat"
    assert world.commits == 1


def test_of_two_configurations_the_one_put_in_force_last_stays() -> None:
    world = World(state=TargetState(target="fleet"))
    older, newer = (SetBaseline(Baseline(hz), since_ms=START_MS + hz) for hz in (19, 29))
    assert world.told(older).outcome == "granted"
    assert world.told(newer).outcome == "granted"
    for _ in range(100):
        world.passes(5_000)
        outcome = world.told(older)
        assert outcome.outcome == "refused"
        assert "newer configuration is in force" in outcome.reason
        assert world.told(newer).outcome == "repeat"
    assert [it.event for it in world.history] == ["baseline", "baseline"]
    assert world.state.plan_rev == START_MS * 1000 + 1, "agents hear of it once"


def test_controllers_that_started_at_once_agree_on_one_configuration() -> None:
    world = World(state=TargetState(target="fleet"))
    rivals = [SetBaseline(Baseline(hz), since_ms=START_MS) for hz in (19, 29, 9)]
    for _ in range(5):
        for rival in rivals:
            world.told(rival)
    assert len(world.history) <= 3


def test_a_configuration_whose_controller_is_gone_gives_way() -> None:
    world = World(state=TargetState(target="fleet"))
    world.told(SetBaseline(Baseline(29), since_ms=START_MS + 1))
    left = SetBaseline(Baseline(19), since_ms=START_MS)
    assert world.told(left).outcome == "refused"
    world.passes(6 * MINUTE)
    assert world.told(left).outcome == "granted"


def test_revisions_keep_growing_after_the_data_is_lost() -> None:
    lost = TargetState(target="service/checkout")
    changed = transition(lost, [cap()], START_MS).state
    assert revised(lost, changed, START_MS * 1000).rev == START_MS * 1000
    ahead = replace(lost, rev=START_MS * 1000 + 7)
    assert revised(ahead, changed, START_MS * 1000).rev == START_MS * 1000 + 8


def test_agents_are_not_woken_by_what_they_cannot_see() -> None:
    world = World()
    world.fires()
    plan_rev = world.state.plan_rev
    world.resolves()
    assert world.state.rev > plan_rev
    assert world.state.plan_rev == plan_rev


Script = list[tuple[str, int, int]]
steps = st.lists(
    st.tuples(
        st.sampled_from(["fires", "resolves", "released", "looks"]),
        st.integers(0, 3),  # which alert
        st.integers(0, 20 * MINUTE),  # after how many ms
    ),
    max_size=30,
)
rules = st.builds(
    lambda **changes: replace(HIGH_CPU, **changes),
    while_firing=st.booleans(),
    on_resolved=st.sampled_from(["keep", "revert"]),
    cooldown_ms=st.sampled_from([0, MINUTE, 60 * MINUTE]),
)


@given(steps, rules)
def test_every_boost_ends_whatever_happens(
    script: list[tuple[str, int, int]], rule: object
) -> None:
    world = World(rule=rule)
    for verb, which, after_ms in script:
        world.passes(after_ms)
        if verb in ("fires", "resolves"):
            getattr(world, verb)(alert(f"{which:016x}"))
        else:
            getattr(world, verb)()
        assert len(world.boosts) <= 1, "one boost per rule and scope"
        for boost in world.boosts:
            assert boost.expires_at_ms - boost.since_ms <= world.rule.max_duration_ms
    world.passes(world.rule.max_duration_ms)
    world.looks()
    assert world.state.leases == ()
    begun = sum(it.event == "granted" for it in world.history)
    ended = sum(it.event in ("expired", "reverted", "released") for it in world.history)
    assert begun == ended, "each grant has one end in the history"


@given(steps)
def test_told_twice_is_told_once(script: Script) -> None:
    world = World()
    for verb, which, after_ms in script:
        world.passes(after_ms)
        if verb in ("fires", "resolves"):
            getattr(world, verb)(alert(f"{which:016x}"))
            before = world.state
            getattr(world, verb)(alert(f"{which:016x}"))
            assert world.state is before, "a second Alertmanager changes nothing"
        else:
            getattr(world, verb)()


def test_after_redis_set_its_clock_back_a_lease_runs_for_its_length_once_more() -> None:
    world = World()
    world.fires()
    world.passes(-3_600_000)
    world.looks()
    (lease,) = world.state.leases
    assert (lease.since_ms, lease.expires_at_ms) == (world.now_ms, world.now_ms + 10 * MINUTE)
    assert [it.event for it in world.history] == ["granted", "renewed"]
    assert "set back" in world.history[-1].reason
    world.looks()
    assert len(world.history) == 2
    world.passes(10 * MINUTE)
    world.looks()
    assert world.state.leases == ()
