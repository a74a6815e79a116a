"""A frequency among the user's own settings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_agent import Decision
from upshift_agent.contract import Kind, Lease
from upshift_host.bridges.elastic.merging import (
    ENABLED,
    INTERVAL,
    RATE,
    etag,
    interval_ms,
    merge,
    theirs_of,
)


def decided(hz: int, kind: Kind | None = None) -> Decision:
    lease = kind and Lease(id="a/1", kind=kind, hz=hz, since_ms=0, expires_at_ms=1)
    return Decision(hz=hz, lease=lease or None)


def test_a_frequency_is_an_interval_of_whole_milliseconds() -> None:
    assert [interval_ms(hz) for hz in (1, 19, 20, 49, 97, 100, 1000)] == [
        1000, 53, 50, 20, 10, 10, 1,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("theirs", "decision", "interval", "hz"),
    [
        ({}, decided(19), "53ms", 1000 / 53),
        ({}, decided(100, "boost"), "10ms", 100),
        # What the user has set stays, until a lease asks for something else.
        ({INTERVAL: "40ms"}, decided(19), "40ms", 25),
        ({INTERVAL: "1s"}, decided(19), "1s", 1),
        ({INTERVAL: "40ms"}, decided(100, "boost"), "10ms", 100),
        ({INTERVAL: "5ms"}, decided(100, "boost"), "5ms", 200),
        ({INTERVAL: "5ms"}, decided(100, "pin"), "10ms", 100),
        ({INTERVAL: "5ms"}, decided(49, "cap"), "20ms", 50),
        ({INTERVAL: "40ms"}, decided(49, "cap"), "40ms", 25),
        # What no agent would take is none.
        ({INTERVAL: "soon"}, decided(19), "53ms", 1000 / 53),
        ({INTERVAL: None}, decided(19), "53ms", 1000 / 53),
        ({INTERVAL: "5m"}, decided(19), "53ms", 1000 / 53),
    ],
)
def test_the_users_interval_and_a_leases(
    theirs: dict[str, Any], decision: Decision, interval: str, hz: float
) -> None:
    merged = merge(theirs, decision, "java")
    assert merged.settings == {INTERVAL: interval}
    assert merged.hz == pytest.approx(hz)


def test_the_kill_switch_switches_inferred_spans_off_whatever_is_set() -> None:
    merged = merge({ENABLED: "true", INTERVAL: "40ms"}, decided(0, "cap"), "java", rate=1.0)
    assert merged.settings == {ENABLED: "false", INTERVAL: "40ms"}
    assert merged.hz == 0
    assert merge({}, decided(0), "java").settings == {ENABLED: "false"}
    assert merge({ENABLED: "true", INTERVAL: "40ms"}, decided(0), "java").hz == 25


def test_the_bridges_own_maximum_binds_what_the_user_has_set_too() -> None:
    assert merge({INTERVAL: "5ms"}, decided(19), "java", max_hz=49).settings == {INTERVAL: "20ms"}


def test_traces_are_raised_while_a_boost_holds_and_never_lowered() -> None:
    for theirs, rate in (({}, "1"), ({RATE: "0.1"}, "1"), ({RATE: "x"}, "1"), ({RATE: None}, "1")):
        assert merge(theirs, decided(100, "boost"), "python", rate=1.0).settings == {RATE: rate}
    assert merge({RATE: "0.7"}, decided(100, "boost"), "python", rate=0.5).settings[RATE] == "0.7"
    for decision in (decided(19), decided(49, "pin"), decided(0, "cap")):
        assert merge({RATE: "0.1"}, decision, "python", rate=1.0).settings == {RATE: "0.1"}
    assert merge({}, decided(100, "boost"), "python").settings == {}


JSON = st.dictionaries(
    st.sampled_from([INTERVAL, ENABLED, RATE, "capture_body", "log_level"]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.integers()),
)
DECISIONS = st.builds(decided, st.integers(0, 1000), st.sampled_from([None, "boost", "pin", "cap"]))


@given(JSON, DECISIONS, st.sampled_from(["java", "python", ""]), st.none() | st.floats(0, 1))
def test_nothing_of_the_users_is_lost_or_touched_but_ours(
    theirs: dict[str, Any], decision: Decision, agent: str, rate: float | None
) -> None:
    before = dict(theirs)
    merged = merge(theirs, decision, agent, rate=rate).settings
    assert theirs == before
    changed = {key for key in {*merged, *theirs} if merged.get(key, ...) != theirs.get(key, ...)}
    assert changed <= {INTERVAL, ENABLED, RATE}
    if agent != "java":
        assert changed <= {RATE}
    if INTERVAL in changed:
        assert 1 <= int(str(merged[INTERVAL]).removesuffix("ms")) <= 1000


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=80), JSON, JSON)
def test_an_etag_is_of_both_and_has_the_servers_in_it(
    theirs: str, one: dict[str, Any], two: dict[str, Any]
) -> None:
    tag = etag(theirs, one)
    assert theirs_of(tag) == theirs
    assert tag[0] == tag[-1] == '"'
    assert tag[1:-1].isascii()
    assert '"' not in tag[1:-1]
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (etag(theirs, two) == tag) == same


@given(st.text(max_size=100))
def test_any_other_etag_has_none_in_it_or_some_text(given: str) -> None:
    assert theirs_of(given).isascii()
