"""Plans may arrive twice, late and in any order: what an agent holds is the newest of each."""

from dataclasses import replace
from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from upshift_agent.contract import FLEET, Baseline, Plan, encode_plan
from upshift_agent.contract.resolve import resolve
from upshift_agent.following.plans import Plans

from .strategies import attributes, moments, plans_of

SERVICE = "service/checkout"
TARGETS = (SERVICE, FLEET)
BASELINE = Baseline(19)


def kept(plan: Plan) -> Plan:
    """As from a Redis that lost nothing: every lease in sight began before the plan before."""
    return replace(plan, after=2**63 - 1)


fleets = plans_of(FLEET).map(kept)
histories = st.lists(
    fleets | plans_of(SERVICE).map(kept),
    max_size=8,
    unique_by=lambda plan: (plan.target, plan.rev),
)


def deliver(plans: list[Plan]) -> Plans:
    held = Plans()
    for plan in plans:
        held.take(plan.target, encode_plan(plan).encode())
    return held


@given(histories, attributes, moments, st.randoms(use_true_random=False))
def test_the_order_of_delivery_does_not_matter(
    plans: list[Plan], attributes: dict[str, str], now_ms: int, random: Any
) -> None:
    shuffled = plans + plans[:3]  # some twice
    random.shuffle(shuffled)
    one, other = deliver(plans), deliver(shuffled)
    assert one.revs(TARGETS) == other.revs(TARGETS)
    assert resolve(one.known(TARGETS), attributes, BASELINE, None, now_ms) == resolve(
        other.known(TARGETS), attributes, BASELINE, None, now_ms
    )


@given(st.lists(fleets, min_size=1, max_size=4, unique_by=lambda plan: plan.rev))
def test_the_newest_revision_is_held_whatever_came_last(plans: list[Plan]) -> None:
    newest = max(plans, key=lambda plan: plan.rev)
    assert all(deliver(list(order)).known(TARGETS) == (newest,) for order in permutations(plans))


@given(plans_of(FLEET))
def test_a_plan_that_comes_again_is_no_news(plan: Plan) -> None:
    held = Plans()
    message = encode_plan(plan).encode()
    assert held.take(FLEET, message)
    assert not held.take(FLEET, message)
