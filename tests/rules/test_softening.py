"""What of a boost's scope no live agent reports is left out of it, aloud, and nothing else is."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.world import MINUTE, World, alert
from upshift_agent.contract import applies

ENVIRONMENT, NAMESPACE, CLUSTER = (
    "deployment.environment.name",
    "k8s.namespace.name",
    "k8s.cluster.name",
)
SCOPE = {ENVIRONMENT: "production", NAMESPACE: "shop", CLUSTER: "eu-1"}
HERE = {ENVIRONMENT: "production", NAMESPACE: "shop"}
LEFT_OUT = "; not narrowed to k8s.cluster.name 'eu-1', which no live agent reports"


def world(agents: list[Mapping[str, str]] | None, soft: tuple[str, ...] = tuple(SCOPE)) -> World:
    return World(where=dict(SCOPE), soft=soft, agents=agents)


def test_what_no_live_agent_reports_is_left_out_and_outcome_and_history_say_so() -> None:
    target = world([HERE, {ENVIRONMENT: "staging"}])
    outcome = target.fires()
    assert outcome.reason == f"100 Hz for 10m{LEFT_OUT}"
    assert target.history[-1].reason.endswith(LEFT_OUT)
    assert target.boosts[0].where == HERE


def test_what_one_live_agent_reports_stays_though_with_another_value() -> None:
    target = world([HERE, {CLUSTER: "us-1"}])
    assert target.fires().reason == "100 Hz for 10m"
    assert target.boosts[0].where == SCOPE


@pytest.mark.parametrize("agents", [None, []])
def test_where_nobody_lives_all_of_the_scope_stays(agents: list[Mapping[str, str]] | None) -> None:
    target = world(agents)
    target.fires()
    assert target.boosts[0].where == SCOPE


def test_a_where_that_the_user_wrote_is_never_softened() -> None:
    target = world([HERE], soft=(ENVIRONMENT, NAMESPACE))
    target.fires()
    assert target.boosts[0].where == SCOPE


def test_agents_that_report_it_later_bring_the_episode_no_second_boost() -> None:
    target = world([HERE])
    target.fires()
    target.agents = [SCOPE]
    assert target.fires().outcome == "repeat"
    target.passes(MINUTE)
    assert target.fires(alert("another")).outcome == "renewed"
    assert len(target.boosts) == 1
    assert target.boosts[0].where == HERE, "a boost that runs keeps its filter"


def test_a_softened_boost_is_reverted_cooled_and_released_as_any_other() -> None:
    target = world([HERE])
    target.fires(on_resolved="revert", cooldown_ms=MINUTE)
    assert target.resolves(on_resolved="revert", cooldown_ms=MINUTE).outcome == "reverted"
    assert target.fires(alert("another"), cooldown_ms=MINUTE).outcome == "cooldown"
    target.passes(2 * MINUTE)
    assert target.fires(alert("another")).outcome == "granted"
    target.released()
    assert target.fires(alert("another"), while_firing=True).outcome == "repeat"


def test_a_softened_boost_runs_for_its_length_after_a_clock_that_was_set_back() -> None:
    target = world([HERE])
    target.fires(cooldown_ms=MINUTE)
    target.passes(-60 * MINUTE)
    target.looks()
    assert target.runs_for_ms == 10 * MINUTE
    assert next(iter(target.state.cases.values())).started_ms <= target.now_ms


attributes = st.dictionaries(st.sampled_from(sorted(SCOPE)), st.sampled_from(["shop", "x"]))


@given(st.lists(attributes, min_size=1), st.sets(st.sampled_from(sorted(SCOPE))))
def test_a_boost_is_never_about_fewer_than_its_scope_nor_softer_than_that_needs(
    agents: list[Mapping[str, str]], soft: set[str]
) -> None:
    target = world(agents, soft=tuple(it for it in SCOPE if it in soft))
    target.fires()
    (boost,) = target.boosts
    reported = {name for it in agents for name in it}
    assert boost.where == {k: v for k, v in SCOPE.items() if k in reported or k not in soft}
    assert applies(boost, SCOPE)
