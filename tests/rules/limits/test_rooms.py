"""Every plan that is committed fits what agents read, and nobody uses up another's room."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.world import HIGH_CPU, MINUTE, World, alert
from upshift_agent.contract import (
    MAX_HZ,
    MAX_LEASE_BYTES,
    MAX_LEASES,
    MAX_TARGET_BYTES,
    PROFILES,
    Baseline,
    Cause,
    Kind,
    Lease,
    Plan,
    Profile,
    Where,
    decode_plan,
    encode_plan,
)
from upshift_agent.contract.resolve import resolve
from upshift_rules.documents.fields import MAX_ENVIRONMENTS, MAX_TEXT
from upshift_rules.leases.changes import Override
from upshift_rules.leases.rooms import ROOMS
from upshift_rules.leases.state import plan_of
from upshift_rules.quick_json import dump


def override(name: str, kind: Kind = "cap", hz: int = 0, where: Where | None = None) -> Override:
    return Override(
        id=f"{kind}/{name}",
        kind=kind,
        hz=hz,
        duration_ms=30 * MINUTE,
        where=where or {},
        cause=Cause.of_operator("ann"),
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for room, size in zip(ROOMS, (8, 4, 4, 2), strict=True):
        monkeypatch.setitem(ROOMS, room, size)


def filled_by_rules() -> World:
    world = World()
    for number in range(ROOMS["boosts by rules"]):
        assert world.fires(name=f"rule{number}").outcome == "granted"
    assert world.fires(name="one_more").outcome == "refused"
    return world


def fill(world: World, kind: Kind, hz: int, where: Where) -> None:
    for number in range(100):
        outcome = world.told(override(f"{hz}-{number}", kind, hz, where))
        if outcome.outcome == "refused":
            assert "release some first" in outcome.reason
            return
    raise AssertionError("never full")


def test_rules_cannot_use_up_the_room_of_operators(small: None) -> None:
    world = filled_by_rules()
    assert world.told(override("1", "boost", 99)).outcome == "granted"
    assert world.told(override("2", "pin", 49)).outcome == "granted"
    assert world.told(override("3")).outcome == "granted"
    assert world.released("cap/3").outcome == "released"
    assert world.released().outcome == "released"


def test_nothing_that_is_granted_before_keeps_the_kill_switch_from_being_granted(
    small: None,
) -> None:
    world = filled_by_rules()
    fill(world, "boost", 99, {})
    fill(world, "cap", 10, {})
    assert world.told(override("part", where={"host.name": "a"})).outcome == "refused"
    assert world.told(override("all")).outcome == "granted"
    assert len(world.state.leases) < MAX_LEASES


def test_a_kill_switch_that_lasts_longer_than_those_before_is_always_granted() -> None:
    world = World()
    for number in range(3 * ROOMS["caps that stop all of it"]):
        assert world.told(override(f"{number}")).outcome == "granted"
        world.passes(1)
    assert len(world.boosts) == ROOMS["caps that stop all of it"]
    assert world.history[-2].reason.endswith("cap/47 lasts longer, and takes its place")
    shorter = replace(override("shorter"), duration_ms=MINUTE)
    refused = world.told(shorter)
    assert (refused.outcome, len(world.boosts)) == ("refused", 16), "it would change nothing"


def test_rooms_are_what_agents_read() -> None:
    assert sum(ROOMS.values()) <= MAX_LEASES


def test_a_lease_that_would_not_fit_is_refused_and_changes_nothing() -> None:
    world = World()
    where = {"host.name": tuple(f"worker-{number}" for number in range(400))}
    outcome = world.told(override("1", where=where))
    assert outcome.outcome == "refused"
    assert str(MAX_LEASE_BYTES) in outcome.reason
    assert world.commits == 0
    rule = replace(HIGH_CPU, where=where)
    refused = World(rule=rule, where=where).fires(alert())
    assert refused.outcome == "refused"


def _largest(number: int, filler: str) -> Lease:
    """A lease of as many bytes as may be, most of them `filler`."""
    lease = Lease(
        id=f"rule/{number:08x}",
        kind="boost",
        hz=MAX_HZ,
        since_ms=2**53,
        expires_at_ms=2**53,
        where={},
        cause=Cause({"rule": ""}),
    )
    room = MAX_LEASE_BYTES - len(dump(lease.to_json()))
    size = len(dump(filler).encode()) - 2
    return replace(lease, cause=Cause({"rule": filler * (room // size)}))


@pytest.mark.parametrize("filler", ["a", '"', "\\", "\N{SNOWMAN}", "\N{PARROT}"])
def test_the_largest_plan_there_can_be_is_read_by_agents_signed_too(filler: str) -> None:
    names = [f"{number:03}".ljust(MAX_TEXT, filler) for number in range(MAX_ENVIRONMENTS)]
    plan = Plan(
        target="service/" + filler * ((MAX_TARGET_BYTES - 8) // len(filler.encode())),
        rev=2**62,
        now_ms=2**53,
        after=2**62,
        leases=tuple(_largest(number, filler) for number in range(MAX_LEASES)),
        baseline=Baseline(MAX_HZ, dict.fromkeys(names, MAX_HZ), dict.fromkeys(PROFILES, MAX_HZ)),
    )
    secret = b"0123456789abcdef"
    for message in (encode_plan(plan), encode_plan(plan, secret, dump)):
        assert len(decode_plan(message.encode()).leases) == MAX_LEASES
    assert decode_plan(encode_plan(plan, secret).encode(), [secret]) == plan


kinds = st.sampled_from(["boost", "pin", "cap"])
profiles = st.sampled_from([None, *PROFILES])


@given(st.lists(st.tuples(kinds, st.integers(0, 3), profiles), max_size=9))
def test_whatever_was_asked_for_before_the_kill_switch_is_granted_and_stops_every_profile(
    asked: list[tuple[Kind, int, Profile | None]],
) -> None:
    world = World()
    for number, (kind, hz, profile) in enumerate(asked):
        change = override(str(number), kind, hz + (kind == "boost"))
        assert world.told(replace(change, profile=profile)).outcome == "granted"
    assert world.told(override("last")).outcome == "granted"
    baseline = Baseline(19, profiles=dict.fromkeys(PROFILES, 9))
    plan = plan_of(world.state, world.now_ms)
    for profile in PROFILES:
        assert resolve([plan], {}, baseline, None, world.now_ms, profile).hz == 0
