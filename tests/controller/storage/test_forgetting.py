"""Agents that have been silent for long are forgotten, and no others."""

from __future__ import annotations

from controller.conftest import Running
from upshift_agent.contract import Keys, Requested, Status, encode_status
from upshift_controller.storage.reports.records import FORGET_AGENTS_MS

KEYS = Keys()
HOME = "service/checkout"


def status(instance: str, at_ms: int) -> str:
    requested = Requested(
        hz=19, revs={}, lease=None, reason="baseline", until_ms=None, clamped_from=None
    )
    return encode_status(
        Status(
            instance=instance,
            attributes={"service.name": "checkout", "service.instance.id": instance},
            driver="recording",
            at_ms=at_ms,
            state="applied",
            since_ms=at_ms,
            requested=requested,
            applied=None,
            error=None,
            skipped=(),
            max_hz=None,
            sdk="python",
        )
    )


async def test_of_a_large_fleet_those_that_are_silent_for_long_are_forgotten(
    upshift: Running,
) -> None:
    now_ms = upshift.redis.time()[0] * 1000
    fields = {
        f"checkout-{number}/{process}": status(
            f"checkout-{number}", now_ms - (FORGET_AGENTS_MS + 1000 if process == 1 else 0)
        )
        for number in range(500)
        for process in (1, 2)
    }
    upshift.redis.hset(KEYS.agents(HOME), mapping=fields)
    upshift.redis.zadd(KEYS.reporting, {HOME: now_ms})
    upshift.controller.records._sweep_agents_at = 0  # it swept at its start
    await upshift.controller.records.sweep()
    left = upshift.redis.hkeys(KEYS.agents(HOME))
    assert sorted(left) == sorted(field for field in fields if field.endswith("/2"))
