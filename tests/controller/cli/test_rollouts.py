"""`upshift explain --rollout`, on the screen."""

from __future__ import annotations

from typing import Any

import pytest

from upshift_controller.cli.screen.rollouts import rollouts

RULE = {
    "rule": "rollout",
    "profiles": ["cpu"],
    "matches": True,
    "reason": "it is for every rollout",
}
OUTCOME = {
    "outcome": "repeat",
    "rule": "rollout",
    "profile": "cpu",
    "target": "service/checkout",
    "reason": "this episode was resolved before",
}


def version(name: str, **more: Any) -> dict[str, Any]:
    return {
        "version": name,
        "attributes": {"service.name": "checkout", "deployment.environment.name": "production"},
        "live": True,
        "newest": True,
        "since_ms": 1_795_395_815_000,
        "last_ms": None,
        "came": "rollout",
        "reason": "a rollout: it began to live, and another version was live within 1d",
        "rules": [RULE],
        "outcomes": [OUTCOME],
    } | more


def test_each_version_says_whether_it_was_a_rollout_and_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = version("1", live=False, last_ms=1_795_395_800_000, reason="no rollout: it was there")
    document = {"service": "checkout", "looked_ms": 1_795_395_816_000, "problem": None}
    rollouts(document | {"versions": [version("2"), gone]})
    said = capsys.readouterr().out
    for part in (
        "checkout 2 in production, live since",
        "a rollout: it began to live",
        "it is for every rollout",
        "this episode was resolved before",
        "checkout 1 in production, last seen",
        "no rollout: it was there",
        "looked at ",
    ):
        assert part in said


def test_where_no_version_is_known_it_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    rollouts({"service": "a", "looked_ms": None, "problem": "nobody looks", "versions": []})
    assert capsys.readouterr().out == "nobody looks\n"
