"""What a trial is made of: firings, notices, members; and how expectations find what is there."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_rules.model import Trigger
from upshift_rules.trials.comparing import pairs
from upshift_rules.trials.fleet import Member, member
from upshift_rules.trials.past import Firing, firings, notices

MINUTE = 60_000


def test_moments_of_firing_become_firings_that_gaps_divide() -> None:
    minutes = [0, 1, 2, 4, 12, 13]
    found = firings({"a": "b"}, [it * MINUTE for it in minutes], MINUTE, 5 * MINUTE, 13 * MINUTE)
    assert found == [
        Firing({"a": "b"}, 0, 5 * MINUTE),
        Firing({"a": "b"}, 12 * MINUTE, None),
    ]
    assert firings({}, [], MINUTE, MINUTE, MINUTE) == []


def test_a_notice_has_all_that_falls_together() -> None:
    told = notices(
        [Firing({"a": "1"}, 0, MINUTE), Firing({"a": "2"}, MINUTE, 2 * MINUTE)], 9 * MINUTE
    )
    assert [len(it.triggers) for it in told] == [1, 2, 1]
    assert {it.status for it in told[1].triggers if isinstance(it, Trigger)} == {
        "resolved",
        "firing",
    }


@given(st.lists(st.lists(st.integers(0, 4), max_size=4, unique=True), max_size=4))
def test_there_are_as_many_pairs_as_there_can_be(fits: list[list[int]]) -> None:
    found = pairs(fits)
    assert all(it in fits[at] for at, it in found.items())
    assert len(set(found.values())) == len(found)
    possible = (
        sum(it in fits[at] for at, it in enumerate(order[: len(fits)]))
        for order in permutations(range(5))
    )
    assert len(found) == max(possible)


def test_a_member_says_what_it_lacks() -> None:
    with pytest.raises(ValueError, match=r"must have service\.name"):
        member("x", {"k8s.namespace.name": "shop"})
    assert isinstance(member("x", {"host.name": "worker-1"}), Member)
