"""The messages under `agents-sdk/contract/golden`: agents and controllers of every age read them.

A change that breaks one of these breaks somebody's running fleet: bump the version instead.
Signatures were made with `openssl dgst -sha256 -hmac SECRET`, not with our own code.
"""

import json
from typing import Any

import pytest

from upshift_agent.contract import (
    ALL,
    Baseline,
    Cause,
    Lease,
    Plan,
    Status,
    decode_plan,
    decode_status,
    encode_plan,
    encode_status,
)
from upshift_agent.contract.errors import SignatureRefused, WireError

from . import CONTRACT
from .statuses import applied, requested

GOLDEN = CONTRACT / "golden"
SECRET = b"a shared secret"
REVS = {"service/checkout": 1795395815291229, "fleet": 1795395815291230}

PLAN = Plan(
    target="service/checkout",
    rev=1795395815291229,
    now_ms=1795395815291,
    leases=(
        Lease(
            id="high_cpu/3f9a2c10",
            kind="boost",
            hz=100,
            since_ms=1795395815291,
            expires_at_ms=1795396415291,
            where={"deployment.environment.name": "production"},
            cause=Cause.of_rule("high_cpu", alertname="HighCPU", fingerprint="4bd675a02c6e66f0"),
        ),
        Lease(
            id="pin/7be0d5f1",
            kind="pin",
            hz=9,
            since_ms=1795395815200,
            expires_at_ms=1795399415200,
            where={"service.instance.id": ("checkout-1", "checkout-2")},
            fraction=0.25,
            fraction_from=0.8044,
            cause=Cause.of_operator("ann", reason="Zürich is slow"),
        ),
    ),
)
FLEET = Plan(
    target="fleet",
    rev=1795395815291230,
    now_ms=1795395815291,
    after=1795395815291229,
    leases=(
        Lease(
            id="cap/00c0ffee",
            kind="cap",
            profile=ALL,
            hz=0,
            since_ms=1795395815291,
            expires_at_ms=1795396415291,
        ),
    ),
    baseline=Baseline(
        19, {"production": 19, "staging": 49, "development": 100}, {"wall": 10, "heap": 4}
    ),
)
APPLIED = Status(
    instance="checkout-1",
    attributes={
        "service.name": "checkout",
        "service.instance.id": "checkout-1",
        "process.pid": "4711",
        "upshift.process.start_ticks": "8815432",
        "upshift.agent.id": "c0ffee0012345678",
    },
    driver="pyroscope",
    at_ms=1795395816000,
    state="applied",
    since_ms=1795395815900,
    requested=requested(
        50,
        REVS,
        lease="high_cpu/3f9a2c10",
        reason="boost high_cpu/3f9a2c10: alert HighCPU;"
        " held to this agent's max_hz, asked for 100 Hz",
        until_ms=1795396415291,
        clamped_from=100,
    ),
    applied=applied(50, REVS, 1795395815900, 49.5),
    skipped=("lease 'x/1': unknown kind 'burst'",),
    max_hz=50,
    sdk="upshift-agent/0.1.0 python/3.11.7",
)
FAILED = Status(
    instance="worker-3",
    attributes={"host.name": "worker-3"},
    driver="callable",
    at_ms=1795395816000,
    state="failed",
    since_ms=1795395815900,
    requested=requested(19, reason="baseline (default)"),
    error="RuntimeError: no permission",
)


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8").removesuffix("\n")


@pytest.mark.parametrize(("name", "plan"), [("plan.json", PLAN), ("fleet.json", FLEET)])
def test_a_plan_is_written_and_read_as_ever(name: str, plan: Plan) -> None:
    assert encode_plan(plan) == golden(name)
    assert decode_plan(golden(name)) == plan
    assert decode_plan(golden(name).encode()) == plan


def test_a_signed_plan_is_written_and_read_as_ever() -> None:
    message = golden("plan-signed.json")
    assert encode_plan(PLAN, SECRET) == message
    assert decode_plan(message, [SECRET]) == PLAN


def test_a_secret_can_be_replaced_while_messages_are_under_way() -> None:
    assert decode_plan(golden("plan-signed.json"), [b"the next secret", SECRET]) == PLAN


def test_an_agent_without_a_secret_reads_signed_plans_too() -> None:
    assert decode_plan(golden("plan-signed.json")) == PLAN


def test_one_changed_byte_breaks_the_signature() -> None:
    changed = golden("plan-signed.json").replace(r"\"hz\":100", r"\"hz\":101")
    assert changed != golden("plan-signed.json")
    with pytest.raises(SignatureRefused):
        decode_plan(changed, [SECRET])


@pytest.mark.parametrize(
    ("name", "status"), [("status.json", APPLIED), ("status-failed.json", FAILED)]
)
def test_a_status_is_written_and_read_as_ever(name: str, status: Status) -> None:
    assert encode_status(status) == golden(name)
    assert decode_status(golden(name)) == status


def test_the_smallest_plan_means_everyone_and_all_of_them() -> None:
    assert decode_plan(golden("plan-smallest.json")) == Plan(
        target="node/worker-3",
        rev=7,
        now_ms=5,
        leases=(Lease(id="b", kind="boost", hz=99, since_ms=1, expires_at_ms=9),),
    )


def test_the_smallest_status_is_read() -> None:
    assert decode_status(golden("status-smallest.json")) == Status(
        instance="worker-3",
        attributes={},
        driver="d",
        at_ms=1,
        state="applying",
        since_ms=1,
        requested=requested(19),
    )


def test_what_is_unknown_is_ignored_or_skipped_by_name() -> None:
    plan = decode_plan(golden("plan-from-the-future.json"))
    assert plan == Plan(
        target="service/checkout",
        rev=7,
        now_ms=5,
        leases=(Lease(id="high_cpu/1", kind="boost", hz=100, since_ms=1, expires_at_ms=9),),
        skipped=(
            "lease 'burst/1': unknown kind 'burst'",
            "lease 'curve/1': unknown kind 'curve'",
            "lease 'goroutine/1': unknown profile 'goroutine'",
            "lease None: unknown kind 'nameless'",
        ),
    )


@pytest.mark.parametrize("case", json.loads(golden("bad.json")), ids=lambda case: case["name"])
def test_a_bad_message_says_what_would_be_right(case: dict[str, Any]) -> None:
    secrets = [case["secret"].encode()] if "secret" in case else []
    with pytest.raises(WireError) as caught:
        decode_plan(case["plan"], secrets) if "plan" in case else decode_status(case["status"])
    assert str(caught.value) == case["error"]
