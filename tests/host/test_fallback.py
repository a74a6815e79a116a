"""Which method carries a profile: by priority, given up after three failures, and back later."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from upshift_host.fallback import (
    FAILURES,
    PROBATION_S,
    REST_S,
    Choice,
    Record,
    Way,
    choose,
    failed,
    in_order,
    tried,
    worked,
)

EBPF = Way(name="bpftrace", method="ebpf", profiles=frozenset({"cpu", "wall"}))
PUSH = Way(name="jfr", method="push", profiles=frozenset({"cpu", "alloc", "lock"}))
PULL = Way(name="scrape", method="pull", profiles=frozenset({"cpu", "heap"}))
WAYS = (EBPF, PUSH, PULL)


def choice(records: Mapping[str, Record] | None = None, now: float = 0.0, *ways: Way) -> Choice:
    return choose(ways or WAYS, records or {}, now)


def after(failures: int, now: float = 0.0, record: Record | None = None) -> Record:
    record = record or Record()
    for _ in range(failures):
        record = failed(record, "it broke", now)
    return record


def test_each_profile_is_carried_by_the_first_method_that_can_raise_it() -> None:
    assert choice().carriers == {
        "cpu": "bpftrace",
        "wall": "bpftrace",
        "alloc": "jfr",
        "lock": "jfr",
        "heap": "scrape",
    }


def test_methods_go_by_their_priority_and_those_that_are_not_named_are_not_used() -> None:
    assert in_order(WAYS, {"pull": 1, "ebpf": 7}) == (PULL, EBPF)


def test_what_cannot_work_here_gives_way_and_the_reason_says_why() -> None:
    blind = Way(name="bpftrace", method="ebpf", profiles=EBPF.profiles, cannot="no CAP_BPF")
    found = choice({}, 0.0, blind, PUSH)
    assert found.carriers["cpu"] == "jfr"
    assert found.missing == {"wall"}
    assert found.reason == "jfr (not bpftrace: no CAP_BPF)"


def test_of_a_long_reason_as_much_is_said_as_a_status_has_room_for() -> None:
    blind = Way(name="bpftrace", method="ebpf", profiles=EBPF.profiles, cannot="why" * 1000)
    found = choice({}, 0.0, blind, PUSH)
    assert len(found.reason) < 200
    assert len(found.reasons["bpftrace"]) == 3000


def test_two_failures_in_a_row_change_nothing() -> None:
    assert choice({"bpftrace": after(2)}).carriers["cpu"] == "bpftrace"


def test_three_failures_in_a_row_give_way() -> None:
    found = choice({"bpftrace": after(3)})
    assert found.carriers["cpu"] == "jfr"
    assert found.reasons["bpftrace"] == "failed 3 times in a row: it broke"
    assert found.again_at == REST_S


def test_three_failures_that_are_not_in_a_row_change_nothing() -> None:
    record = after(2, 0.0, worked(after(2), 0.0))
    assert choice({"bpftrace": record}).carriers["cpu"] == "bpftrace"


def test_after_five_minutes_it_has_its_turn_again() -> None:
    records = {"bpftrace": after(3)}
    assert choice(records, REST_S - 1).carriers["cpu"] == "jfr"
    assert choice(records, REST_S).carriers["cpu"] == "bpftrace"


def test_what_fails_again_goes_back_to_rest_at_once() -> None:
    again = tried(after(3), REST_S)
    assert choice({"bpftrace": failed(again, "still", REST_S)}, REST_S).carriers["cpu"] == "jfr"


def test_what_has_outlasted_its_probation_may_fail_twice_again() -> None:
    well = worked(tried(after(3), REST_S), REST_S)
    later = REST_S + PROBATION_S
    assert not after(2, later, well).at_rest(later)


def test_a_success_under_probation_does_not_end_it() -> None:
    record = worked(tried(after(3), REST_S), REST_S + 1)
    assert failed(record, "it broke", REST_S + 2).at_rest(REST_S + 2)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[float, bool]]:
    """Moments, and whether what carries then fails."""
    steps = draw(st.lists(st.tuples(st.floats(0.1, 200.0), st.booleans()), max_size=60))
    now, found = 0.0, []
    for pause_s, fails in steps:
        now += pause_s
        found.append((now, fails))
    return found


def play(history: list[tuple[float, bool]]) -> list[tuple[float, str | None, Any]]:
    """Who carries cpu at each moment, and the records that this follows from."""
    records: dict[str, Record] = {}
    seen: list[tuple[float, str | None, Any]] = []
    for now, fails in history:
        name = choose(WAYS, records, now).carriers.get("cpu")
        seen.append((now, name, dict(records)))
        if name is not None:
            record = tried(records.get(name, Record()), now)
            records[name] = failed(record, "it broke", now) if fails else worked(record, now)
    return seen


@given(histories())
def test_nobody_carries_while_at_rest_and_nobody_is_passed_over_that_could(
    history: list[tuple[float, bool]],
) -> None:
    for now, name, records in play(history):
        able = [way.name for way in WAYS if not records.get(way.name, Record()).at_rest(now)]
        assert name == (able[0] if able else None)


@given(histories())
def test_no_method_is_given_up_twice_within_five_minutes(
    history: list[tuple[float, bool]],
) -> None:
    given_up: dict[str, float] = {}
    seen = play(history)
    for (_, _, before), (_, _, then) in pairwise(seen):
        for name, record in then.items():
            if record.rests_until is not None and before.get(name) != record:
                began = record.rests_until - REST_S
                assert began - given_up.get(name, -REST_S) >= REST_S
                given_up[name] = began


@given(histories())
def test_a_first_failure_never_gives_way(history: list[tuple[float, bool]]) -> None:
    failures = 0
    for now, fails in history:
        failures = failures + 1 if fails else 0
        if failures >= FAILURES:
            return
        assert choose(WAYS, {"bpftrace": after(failures, now)}, now).carriers["cpu"] == "bpftrace"
