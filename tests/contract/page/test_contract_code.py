"""The code on the contract's page, run as it stands and compared with ours.

Whoever writes an SDK from the page alone gets the same answers.
"""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from upshift_agent.contract import (
    AGENT,
    Baseline,
    Lease,
    Plan,
    Profile,
    decode_plan,
    encode_plan,
    selects,
    share,
)
from upshift_agent.contract.resolve import resolve
from upshift_agent.following.clock import RedisClock
from upshift_agent.following.plans import Plans

from ..strategies import attributes, baselines, followed, hertz, leases, moments, profiles
from ..test_vectors import CASES
from .taken_apart import code


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_page_s_resolve_gives_every_vector(case: dict[str, Any]) -> None:
    plans = [decode_plan(json.dumps(plan)) for plan in case["plans"]]
    baseline = Baseline.from_json(case["baseline"])
    hz, lease, until_ms, clamped_from = code("shares", "resolve")["resolve"](
        plans,
        case["attributes"],
        baseline,
        case["local_max"],
        case["now_ms"],
        case.get("profile", "cpu"),
    )
    assert {
        "hz": hz,
        "lease": lease and lease.id,
        "until_ms": until_ms,
        "clamped_from": clamped_from,
    } == case["expect"]


PAGE_RESOLVE = code("shares", "resolve")


@given(st.tuples(followed, attributes, baselines, st.none() | hertz, moments, profiles))
def test_the_page_s_resolve_is_ours(
    arguments: tuple[list[Plan], dict[str, str], Baseline, int | None, int, Profile],
) -> None:
    ids = [lease.id for plan in arguments[0] for lease in plan.leases]
    assume(len(set(ids)) == len(ids))  # an id names one lease
    decision = resolve(*arguments)
    hz, lease, until_ms, clamped_from = PAGE_RESOLVE["resolve"](*arguments)
    assert (hz, lease, clamped_from) == (decision.hz, decision.lease, decision.clamped_from)
    assert until_ms == decision.until_ms


@given(leases, st.text(st.characters(exclude_categories=["Cs"])))
def test_the_page_s_share_is_ours(lease: Lease, agent_id: str) -> None:
    assert PAGE_RESOLVE["share"](lease, agent_id) == share(lease, {AGENT: agent_id})
    assert PAGE_RESOLVE["selected"](lease, agent_id) == selects(lease, {AGENT: agent_id})


#: So few moments, in thousands of a revision, that leases are lost, and lost again.
soon = st.integers(0, 5)
short = st.builds(
    Lease,
    id=st.sampled_from(["a", "b"]),
    kind=st.just("cap"),
    hz=st.just(0),
    since_ms=soon,
    expires_at_ms=soon,
)
successors = st.builds(
    Plan,
    target=st.just("fleet"),
    rev=soon.map(lambda ms: ms * 1000),
    now_ms=st.integers(0, 3),
    after=st.none() | soon.map(lambda ms: ms * 1000),
    leases=st.lists(short, max_size=2, unique_by=lambda lease: lease.id).map(tuple),
)
CAP = Lease(id="a", kind="cap", hz=0, since_ms=5000, expires_at_ms=6000)
LOST_AND_LEFT_OUT_AGAIN = [
    Plan(target="fleet", rev=1, now_ms=0, leases=(CAP,)),
    Plan(target="fleet", rev=2, now_ms=0, after=0),
    Plan(target="fleet", rev=3, now_ms=0, after=9_000_000),
]


#: Some of a time that never came.
any_time = successors | successors.map(lambda plan: replace(plan, rev=plan.rev + 10**11))


@given(st.lists(any_time, max_size=5, unique_by=lambda plan: plan.rev), st.none() | st.just(3))
@example(LOST_AND_LEFT_OUT_AGAIN, None)
def test_the_page_holds_the_plans_that_we_hold(plans: list[Plan], now_ms: int | None) -> None:
    take = code("take")["take"]
    ours, held = Plans(), None
    for plan in sorted(plans, key=lambda plan: plan.rev) + plans:
        ours.take("fleet", encode_plan(plan).encode(), now_ms=now_ms)
        held = take(held, plan, now_ms)
        assert ours.known(["fleet"]) == (held[0],)


@given(leases, moments)
@example(CAP, 0)
@example(replace(CAP, since_ms=5001), 0)
def test_the_page_bounds_a_lease_as_we_do(lease: Lease, now_ms: int) -> None:
    ours = Plans()
    ours.take("fleet", encode_plan(Plan(target="fleet", rev=1, now_ms=0, leases=(lease,))).encode())
    ours.bound(now_ms)
    assert ours.known(["fleet"])[0].leases == (code("set_back")["bounded"](lease, now_ms),)


times = st.integers(0, 2**41)
heard = st.tuples(st.just("pushed"), times, times)
answered = st.tuples(st.just("answered"), times, times, st.integers(0, 10_000))


@given(times, times, st.lists(heard | answered, max_size=5))
@example(0, 0, [("pushed", 5, 0), ("pushed", 9, 0)])
@example(0, 0, [("answered", 50, 0, 0), ("answered", 50, 0, 10)])
@example(0, 0, [("answered", 50, 0, 0), ("answered", 60, 0, 10)])
def test_the_page_s_clock_is_ours(wall: int, steady: int, events: list[Any]) -> None:
    theirs, ours = code("clock")["Clock"](wall, steady), RedisClock(wall, steady)
    for kind, redis_ms, at_ms, *length in events:
        if kind == "pushed":
            theirs.pushed(redis_ms, at_ms)
            ours.hear(redis_ms, at_ms)
        else:
            theirs.answered(redis_ms, at_ms, at_ms + length[0])
            ours.observe(redis_ms, at_ms, at_ms + length[0])
        assert theirs.now_ms(at_ms) == ours.now_ms(at_ms)
        assert theirs.synchronised == ours.synchronised
