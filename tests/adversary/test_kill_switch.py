"""No alert, no token below operator and no agent keeps `cap` from being granted and obeyed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from controller.conftest import PRODUCTION, UNLIMITED, Running, Start, alert, outcomes
from controller.limiting import about, override, report
from upshift_agent.contract import MAX_LEASES, Baseline, Keys, decode_plan
from upshift_agent.contract.errors import WireError
from upshift_agent.contract.resolve import resolve
from upshift_agent.following.plans import Plans
from upshift_rules.leases.limiting.reservations import Reservation
from upshift_rules.leases.stored import encode_budget

KEYS = Keys()
#: From the request to the answer, whatever else is going on.
GRANTED_S = 2.0
FLEET_WIDE = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 100, duration: 10m, target: fleet, cooldown: 1h}
"""
COUNTED = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 100, duration: 10m}
limits: {max_boosted_agents: 50000, max_boosts_per_hour: 50000}
"""


async def stop(
    upshift: Running,
    target: str = "fleet",
    clock: Callable[[], float] = time.monotonic,
    **more: object,
) -> None:
    """Stop all of `target`, in time."""
    began = clock()
    answer = await override(upshift, target=target, kind="cap", hz=0, **more)
    assert answer.status == 201, answer.body
    assert clock() - began < GRANTED_S
    plan = decode_plan(upshift.redis.get(KEYS.plan(target)))
    assert resolve([plan], {"service.name": "any"}, Baseline(19), None, plan.now_ms).hz == 0


async def test_a_plan_that_alerts_and_operators_have_filled_still_takes_the_kill_switch(
    start: Start,
) -> None:
    async with start(FLEET_WIDE) as upshift:
        places = [PRODUCTION | {"environment": f"e{number}"} for number in range(400)]
        answer = await upshift.notify(*[alert(it, fingerprint=it["environment"]) for it in places])
        assert {"granted", "refused"} == set(outcomes(answer))
        for kind, hz in (("boost", 99), ("pin", 99), ("cap", 9)):
            while (await override(upshift, target="fleet", kind=kind, hz=hz)).status == 201:
                pass
        await stop(upshift)
        assert len(await upshift.leases("fleet")) <= MAX_LEASES
        answer = await upshift.ask("DELETE", "/api/v1/targets/fleet/leases")
        assert answer.status == 200


@asynccontextmanager
async def repeated(work: object) -> AsyncIterator[None]:
    async def forever() -> None:
        while True:
            await work()  # type: ignore[operator]

    tasks = [asyncio.create_task(forever()) for _ in range(4)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


@pytest.mark.parametrize("limits", [None, UNLIMITED], ids=["refused", "granted"])
async def test_a_flood_of_large_webhooks_keeps_no_cap_waiting(
    start: Start, limits: str | None
) -> None:
    numbers = iter(range(1_000_000))
    async with start(limits) as upshift:

        async def flood() -> None:
            await upshift.notify(*[about(f"flood-{next(numbers)}") for _ in range(500)])

        async with repeated(flood):
            for target in ("fleet", "service/checkout", "fleet"):
                await asyncio.sleep(0.1)
                await stop(upshift, target)


async def test_a_budget_that_is_contended_and_full_keeps_no_cap_waiting(start: Start) -> None:
    async with start(COUNTED) as upshift:
        report(upshift, "checkout", 500)
        now_ms = upshift.redis.time()[0] * 1000
        budget = encode_budget(
            {
                f"high_cpu/{number}": Reservation(
                    f"service/{number}", "high_cpu", 1, 1, now_ms, now_ms + 600_000
                )
                for number in range(15_000)
            }
        )

        async def write() -> None:
            """Another controller, always faster; and alerts that need the budget."""
            at = time.monotonic_ns()
            await asyncio.to_thread(
                upshift.redis.set, KEYS.budget, f"{budget[:-1]}{at % 9 * ' '}}}"
            )

        async def fire() -> None:
            await upshift.notify(about(f"counted-{time.monotonic_ns()}"))

        async with repeated(write), repeated(fire):
            for target in ("service/checkout", "fleet"):
                await asyncio.sleep(0.1)
                # All of the attack is this process's work: of another's it has no part to keep.
                await stop(upshift, target, clock=time.process_time)


@pytest.mark.parametrize(
    "poison",
    [
        b"\xff\xfe",
        b"{}",
        b'{"v": 1, "target": "service/checkout", "rev": 9e99, "now_ms": 1, "leases": []}',
        b"[" * 100_000,
        b'"' + b"x" * 5_000_000 + b'"',
        json.dumps(
            {
                "v": 1,
                "target": "service/checkout",
                "rev": 2**62,
                "now_ms": 2,
                "leases": [
                    {
                        "id": f"{n}",
                        "kind": "pin",
                        "hz": n,
                        "since_ms": 1,
                        "expires_at_ms": 2**50 + n,
                    }
                    for n in range(10_000)
                ],
            }
        ).encode(),
    ],
    ids=["bytes", "empty", "number", "nested", "too large", "too many"],
)
async def test_an_agent_with_a_poisoned_plan_of_its_service_follows_the_fleets_cap(
    upshift: Running, poison: bytes
) -> None:
    plans, targets = Plans(), ("service/checkout", "fleet")
    with pytest.raises(WireError):
        plans.take("service/checkout", poison)
    await stop(upshift)
    plans.take("fleet", upshift.redis.get(KEYS.plan("fleet")))
    assert resolve(plans.known(targets), {}, Baseline(19), None, 0).hz == 0
    assert len(plans.skipped(targets)) == 1
