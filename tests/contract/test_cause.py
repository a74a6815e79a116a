"""Whose doing a lease is: a rule's, or an operator's; and what a decision says of it."""

from __future__ import annotations

from typing import Any

import pytest

from upshift_agent.contract import Baseline, Cause, Lease
from upshift_agent.contract.resolve import resolve


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"rule": "high_cpu", "alertname": "HighCPU"}, "high_cpu"),
        ({"rule": ""}, ""),
        ({"rule": 7, "by": "ann"}, None),
        ({"alertname": "HighCPU", "fingerprint": "f00", "reason": "rule high_cpu"}, None),
        ({}, None),
    ],
)
def test_a_lease_is_a_rules_by_its_rule_whatever_explains_it(
    said: dict[str, Any], rule: str | None
) -> None:
    assert Cause(said).rule == rule
    assert Cause(said).origin == ("operator" if rule is None else "rule")


def test_an_operators_cause_says_no_more_than_was_said() -> None:
    assert Cause.of_operator("ann").said == {"by": "ann"}
    assert list(Cause.of_operator("ann", via="direct", reason="slow").said.items()) == [
        ("by", "ann"),
        ("via", "direct"),
        ("reason", "slow"),
    ]


def test_who_asked_is_text_or_nobody() -> None:
    strange = Cause({"by": {"name": "ann"}, "via": 7})
    assert (strange.by, strange.via, str(strange)) == (None, None, "via 7")


# In a decision's reason

BASELINE = Baseline(19, {"production": 9, "staging": 49})


def test_the_baseline_says_which_one_it_is() -> None:
    named = resolve([], {"deployment.environment": "staging"}, BASELINE, None, 0)
    assert (named.hz, named.because, named.reason) == (
        49,
        {"baseline": "staging"},
        "baseline (staging)",
    )
    other = resolve([], {"deployment.environment.name": "qa"}, BASELINE, None, 0)
    assert (other.hz, other.because) == (19, {"baseline": "default"})


@pytest.mark.parametrize(
    ("because", "reason"),
    [
        ({}, "pin/1"),
        ({"alertname": "HighCPU", "rule": "high_cpu"}, "pin/1: alert HighCPU"),
        ({"reason": "rollback", "by": "ann"}, "pin/1: rollback, by ann"),
        ({"alertname": None, "reason": 7}, "pin/1: 7"),
    ],
)
def test_a_reason_is_one_line_for_people(because: dict[str, Any], reason: str) -> None:
    lease = Lease(id="pin/1", kind="pin", hz=1, since_ms=0, expires_at_ms=1, cause=Cause(because))
    assert lease.reason == reason


def test_a_clamp_is_part_of_the_reason() -> None:
    decision = resolve([], {}, BASELINE, 10, 0)
    assert decision.reason == "baseline (default); held to this agent's max_hz, asked for 19 Hz"


def test_a_profile_without_a_baseline_is_off_and_says_so() -> None:
    resting = Baseline(19, {}, {"heap": 4})
    wall, heap = (resolve([], {}, resting, 3, 0, profile) for profile in ("wall", "heap"))
    assert (wall.hz, wall.reason) == (0, "baseline (off)")
    assert heap.reason == "baseline (heap); held to this agent's max_hz, asked for 4 an hour"
