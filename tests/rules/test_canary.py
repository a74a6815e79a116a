"""A canary selects processes, at least one where there is one, and no more than its share."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from upshift_agent.contract import AGENT, Lease, Plan, applies, decode_plan, encode_plan
from upshift_rules import quick_json
from upshift_rules.leases.agents import Agent
from upshift_rules.leases.canary import aimed, reached
from upshift_rules.leases.changes import Aim
from upshift_rules.leases.state import TargetState
from upshift_rules.leases.transition import transition

CANARY = Lease(id="c/1", kind="boost", hz=100, since_ms=7, expires_at_ms=999, fraction=0.1)
fractions = st.floats(0, 1, exclude_min=True)
fleets = st.lists(st.text(max_size=4), max_size=8).map(
    lambda ids: [Agent({AGENT: name, "service.instance.id": "the same"}) for name in ids]
)


def fleet(count: int, name: str = "agent", *able: str, **more: str) -> list[Agent]:
    same = {"service.instance.id": "one"} | more
    names = [f"{name}-{number}" for number in range(count)]
    return [Agent({AGENT: it} | same, able or ("cpu",)) for it in names]


def reaches(lease: Lease, agents: list[Agent]) -> int:
    return sum(applies(lease, it.attributes) for it in agents)


@given(fractions, fleets, st.text(max_size=4))
def test_a_canary_is_never_empty_where_an_agent_is_live(
    fraction: float, agents: list[Agent], name: str
) -> None:
    lease = aimed(replace(CANARY, fraction=fraction, id=name), agents)
    assert lease.fraction == fraction
    assert not agents or reaches(lease, agents)
    assert aimed(lease, agents) is lease, "once is enough"


@given(fractions, fleets)
def test_the_aim_survives_the_wire(fraction: float, agents: list[Agent]) -> None:
    lease = aimed(replace(CANARY, fraction=fraction), agents)
    plan = Plan(target="fleet", rev=1, now_ms=1, leases=(lease,))
    for message in (encode_plan(plan), encode_plan(plan, dump=quick_json.dump)):
        assert decode_plan(message).leases == (lease,)


def test_agents_that_start_later_are_no_more_than_the_rules_share() -> None:
    """Also where the aim had to move a long way to reach the only agent that there was."""
    for number in range(30):
        lease = aimed(replace(CANARY, id=f"c/{number}"), fleet(1))
        assert reaches(lease, fleet(1))
        later = reaches(lease, fleet(2000, "later"))
        assert 130 <= later <= 270


def test_forked_workers_are_told_apart() -> None:
    """They share `service.instance.id`: either all or none of them was selected."""
    quarter = replace(CANARY, fraction=0.25)
    counts = [
        reaches(lease, fleet(8))
        for number in range(100)
        for lease in [aimed(replace(quarter, id=f"c/{number}"), fleet(8))]
    ]
    assert min(counts) == 1
    assert max(counts) < 8
    assert 150 <= sum(counts) <= 300


def test_it_is_aimed_only_at_those_that_the_filter_means() -> None:
    lease = replace(CANARY, where={"zone": "a"}, fraction=1e-9)
    agents = [*fleet(9), *fleet(3, "there", zone="a")]
    there = [it.attributes for it in agents if reaches(aimed(lease, agents), [it])]
    assert [it["zone"] for it in there] == ["a"]
    assert aimed(lease, fleet(9)) is lease
    assert reached(aimed(lease, agents), agents) == "for 1 of 3 live agents (fraction 1e-09)"
    assert reached(lease, []) == "for none yet: no live agent is meant (fraction 1e-09)"


def test_it_is_aimed_only_at_those_that_can_raise_its_profile() -> None:
    lease = replace(CANARY, profile="wall", fraction=1e-9)
    able = fleet(2, "able", "cpu", "wall")
    agents = [*fleet(50), *able]
    assert reaches(aimed(lease, agents), able) == 1
    assert reached(aimed(lease, agents), agents) == "for 1 of 2 live agents (fraction 1e-09)"
    assert aimed(lease, fleet(9)) is lease, "nobody can"


def test_a_canary_that_is_gone_is_replaced_by_another() -> None:
    tiny = replace(CANARY, fraction=1e-9)
    before = TargetState(target="fleet", rev=1, leases=(aimed(tiny, fleet(3)),))
    assert transition(before, [Aim()], 10, agents=fleet(3)).state is before, "it is there"
    step = transition(before, [Aim()], 10, agents=fleet(3, "new"))
    assert reaches(step.state.leases[0], fleet(3, "new")) == 1
    assert [it.event for it in step.entries] == ["moved"]
    assert step.entries[0].reason.endswith(
        "it reached nobody any more: now for 1 of 3 live agents (fraction 1e-09)"
    )
    assert transition(before, [Aim()], 10, agents=[]).state is before, "no other is there"
