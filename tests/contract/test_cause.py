"""Whose doing a lease is: a rule's, or an operator's."""

from __future__ import annotations

from typing import Any

import pytest

from upshift_agent.contract import Cause


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
