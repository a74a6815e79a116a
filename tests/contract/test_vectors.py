"""`vectors.json`: what an agent does in each of these cases, for SDKs in any language.

The expectations are thought out from what `agents-sdk/contract` says, not printed by the code.
Where the two disagree, one of them is wrong: find out which before you change either.
"""

import json
from typing import Any

import pytest

from upshift_agent.contract import CPU, Baseline, decode_plan
from upshift_agent.contract.resolve import Decision, resolve

from . import CONTRACT

CASES: list[dict[str, Any]] = json.loads((CONTRACT / "vectors.json").read_text())["cases"]


def decide(case: dict[str, Any], now_ms: int, *, backwards: bool = False) -> Decision:
    plans = [decode_plan(json.dumps(plan)) for plan in case["plans"]]
    baseline = Baseline.from_json(case["baseline"])
    if backwards:
        case = case | {"plans": [p | {"leases": p["leases"][::-1]} for p in case["plans"]][::-1]}
        return decide(case, now_ms)
    return resolve(plans, case["attributes"], baseline, case["local_max"], now_ms, _profile(case))


def _profile(case: dict[str, Any]) -> str:
    return str(case.get("profile", CPU))


def answer(decision: Decision) -> dict[str, Any]:
    return {
        "hz": decision.hz,
        "lease": decision.lease.id if decision.lease else None,
        "until_ms": decision.until_ms,
        "clamped_from": decision.clamped_from,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_decision_is_the_one_thought_out(case: dict[str, Any]) -> None:
    assert answer(decide(case, case["now_ms"])) == case["expect"], case["why"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_order_of_plans_and_leases_does_not_matter(case: dict[str, Any]) -> None:
    assert answer(decide(case, case["now_ms"], backwards=True)) == case["expect"], case["why"]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["expect"]["until_ms"]], ids=lambda case: case["name"]
)
def test_the_answer_holds_to_the_millisecond_before_its_announced_end(case: dict[str, Any]) -> None:
    until_ms = case["expect"]["until_ms"]
    assert answer(decide(case, until_ms - 1)) == case["expect"]
    after = answer(decide(case, until_ms))
    assert (after["hz"], after["lease"]) != (case["expect"]["hz"], case["expect"]["lease"])
