"""Whom a lease raises, and when it takes a look at them, by what they can raise."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rules.world import HIGH_CPU, START_MS, alert
from upshift_agent.contract import ENVIRONMENT, Baseline, Kind, Lease
from upshift_rules.leases.agents import Agent, Living, profilers
from upshift_rules.leases.changes import Entry, Event, Transition
from upshift_rules.leases.limiting.reach import asks, followers, may_raise, meant, raised
from upshift_rules.leases.state import TargetState
from upshift_rules.model import Claim

BASELINE = Baseline(19, {"staging": 49}, {"wall": 9})
BOTH = [Agent({ENVIRONMENT: "staging"}, ("cpu", "wall")), Agent({}, ("cpu", "wall"))]
CPU_ALONE = [Agent({})] * 3


def lease(profile: str, hz: int = 30, kind: Kind = "boost", **more: Any) -> Lease:
    times: dict[str, int] = {"since_ms": START_MS, "expires_at_ms": START_MS + 1}
    return Lease(id="x", kind=kind, profile=profile, hz=hz, **times | more)


def test_a_lease_raises_those_that_can_raise_its_profile_and_rest_below_it() -> None:
    agents = BOTH + CPU_ALONE
    assert len(raised(lease("cpu"), agents, BASELINE)) == 4, "in staging they rest above it"
    assert raised(lease("wall"), agents, BASELINE) == BOTH
    assert not may_raise(lease("wall", 9), BASELINE)
    assert not may_raise(lease("all", 0, "cap"), BASELINE)
    assert raised(lease("heap", 1), agents, BASELINE) == []
    assert may_raise(lease("heap", 1), BASELINE), "whoever reports later may raise it"


@given(st.lists(st.sampled_from([None, "a", "b", "c"])), st.lists(st.sampled_from([None, "a"])))
def test_those_who_share_a_profiler_are_one(
    names: list[str | None], more: list[str | None]
) -> None:
    agents, others = ([Agent({}, profiler=it) for it in several] for several in (names, more))
    count = profilers(agents)
    assert count == names.count(None) + len(set(names) - {None})
    assert count == profilers(reversed(agents))
    assert count <= profilers(agents + others) <= count + len(others)


def test_a_filter_means_agents_whatever_they_can_raise() -> None:
    agents = BOTH + CPU_ALONE
    assert meant(lease("wall"), agents) == agents
    assert meant(lease("wall", where={ENVIRONMENT: "staging"}), agents) == BOTH[:1]


def asked(known: Living, granted: Lease, event: Event = "granted") -> bool:
    entry = Entry(event=event, reason="", lease=granted)
    step = Transition(state=TargetState(target="service/a"), outcomes=(), entries=(entry,))
    return asks([Claim(HIGH_CPU, alert(), "service/a", {})], step, known)


def test_agents_are_asked_where_none_is_known_to_raise_a_profile() -> None:
    both = Living(2, frozenset(), frozenset({"cpu", "wall"}))
    assert not asked(both, lease("cpu"))
    assert not asked(both, lease("wall"))
    assert asked(both, lease("heap"))
    assert asked(Living(), lease("wall")), "nobody was known, and somebody may have come"
    assert not asked(both, lease("heap"), "renewed"), "it was said at the grant"
    assert not asked(both, lease("heap", kind="cap")), "a cap waits for nothing"


def test_for_cpu_agents_are_asked_only_where_all_that_are_known_raise_something_else() -> None:
    assert not asked(Living(), lease("cpu"))
    assert asked(Living(1, frozenset(), frozenset({"wall"})), lease("cpu"))


def test_an_agent_counts_for_its_own_target_its_node_and_the_fleet() -> None:
    here, there = Agent({"host.name": "worker-3"}), Agent({"host.name": "worker-4"})
    pod = Agent({"host.name": "checkout-7d4f", "k8s.pod.name": "checkout-7d4f"})
    agents = {"service/a": [here, there, pod], "node/worker-3": [host := Agent({})]}
    assert followers(["node/worker-3", "node/checkout-7d4f", "service/a", "fleet"], agents) == {
        "node/worker-3": [here, host],
        "node/checkout-7d4f": [],  # its host is its pod
        "service/a": [here, there, pod],
        "fleet": [here, there, pod, host],
    }
