"""pprofs of any kind, and those that are none."""

from __future__ import annotations

import gzip
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.evidence.backends import pprof
from upshift_controller.evidence.asked import Entry, boosts, chosen
from upshift_controller.evidence.backends import selector
from upshift_controller.evidence.reading.tally import read_tally
from upshift_controller.evidence.reading.tree import MAX_DEPTH, Node
from upshift_controller.evidence.reading.wire import ProfileError
from upshift_controller.evidence.spans import FEWEST_PARTS, LEAST_MS, MOST_PARTS, Span, span_before


def test_a_function_that_recurs_counts_once_in_total() -> None:
    tree = Node()
    tally = read_tally(pprof({("main", "walk", "walk"): 3, ("main",): 1}), tree)
    assert tally.weight == 4
    assert tally.own == {"walk": 3, "main": 1}
    assert tally.total == {"walk": 3, "main": 4}
    assert tree.calls["main"].calls["walk"].calls["walk"].weight == 3


def test_gzipped_or_not_is_the_same() -> None:
    data = pprof({("main", "f"): 3})
    assert read_tally(gzip.compress(data), Node()) == read_tally(data, Node())


def test_endless_recursion_is_a_deep_tree_and_no_more() -> None:
    tree = Node()
    read_tally(pprof({("f",) * 5000: 1}), tree)
    node, depth = tree, 0
    while node.calls:
        node, depth = node.calls["f"], depth + 1
    assert depth == MAX_DEPTH


@given(st.binary(max_size=200))
def test_whatever_the_bytes_it_is_a_tally_or_a_profile_error(data: bytes) -> None:
    with suppress(ProfileError):
        read_tally(data, Node())


@given(st.integers(1, 10**9), st.integers(0, 10**13))
def test_parts_are_the_whole_span_each_once(length_ms: int, from_ms: int) -> None:
    span = Span(from_ms, from_ms + length_ms)
    parts = span.parts()
    assert parts[0].from_ms == span.from_ms
    assert parts[-1].until_ms == span.until_ms
    assert all(a.until_ms == b.from_ms for a, b in pairwise(parts))
    assert FEWEST_PARTS <= len(parts) <= MOST_PARTS
    assert len(parts) == FEWEST_PARTS or min(part.length_ms for part in parts) >= LEAST_MS


def test_what_a_window_is_compared_with_ends_before_the_condition_began() -> None:
    window = Span(1_000_000, 1_600_000)
    assert span_before(window, 900_000, 120_000) == Span(-120_000, 480_000)
    assert span_before(window, None, 0) == Span(100_000, 700_000)


@given(st.text(), st.lists(st.text(), min_size=1, max_size=3))
def test_no_value_ends_the_quotes_of_a_selector(value: str, values: list[str]) -> None:
    said = selector({"service.name": value, "zone": values})
    # Outside of what is quoted there is nothing but the names.
    outside, quoted, escaped = "", False, False
    for character in said:
        if quoted:
            quoted, escaped = (character != '"' or escaped), character == "\\" and not escaped
        elif character == '"':
            quoted = True
        else:
            outside += character
    assert outside == "{service_name=,zone=~}"


def test_the_newest_boost_of_a_target_is_meant_and_its_end_is_when_it_ended() -> None:
    def entry(event: str, at_ms: int, since_ms: int, lease: str, kind: str = "boost") -> Entry:
        told = {"id": lease, "kind": kind, "hz": 99, "since_ms": since_ms, "expires_at_ms": 9000}
        return Entry("service/a", at_ms, event, told)

    history = [
        entry("granted", 8000, 8000, "cap/9", "cap"),
        entry("granted", 7000, 7000, "r/1"),
        entry("released", 6000, 5000, "r/1"),
        entry("refused", 5500, 5500, "r/3"),
        entry("granted", 5000, 5000, "r/1"),
    ]
    found = boosts(history, 8500)
    assert [(it.lease, it.window, it.runs) for it in found if it.lease == "r/1"] == [
        ("r/1", Span(7000, 8500), True),
        ("r/1", Span(5000, 6000), False),
    ]
    assert chosen(found, "service/a") == found[0]
    assert chosen(found, "nobody") is None
    assert "r/3" not in {it.lease for it in found}


@pytest.mark.parametrize("where", [{}, {"deployment.environment.name": "production"}])
def test_whose_profiles_are_asked_for(where: dict[str, str]) -> None:
    lease = {
        "id": "r/1",
        "kind": "boost",
        "hz": 99,
        "since_ms": 0,
        "expires_at_ms": 9,
        "where": where,
    }
    for target, labels in (
        ("service/a", {"service.name": "a"}),
        ("node/n1", {"host.name": "n1"}),
        ("fleet", {}),
    ):
        (boost,) = boosts([Entry(target, 0, "granted", lease)], 5)
        assert boost.labels() == {**where, **labels}


def test_a_profile_error_names_what_is_missing() -> None:
    with pytest.raises(ProfileError, match="names a function, location or string that it lacks"):
        read_tally(b"\x12\x04\x08\x07\x10\x01", Node())
