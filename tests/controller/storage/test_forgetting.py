"""Agents that have been silent for long are forgotten, and no others."""

from __future__ import annotations

from controller.conftest import Running
from controller.limiting import at_rest
from upshift_agent.contract import Keys, encode_status
from upshift_controller.storage.reports.records import FORGET_AGENTS_MS

KEYS = Keys()
HOME = "service/checkout"


async def test_of_a_large_fleet_those_that_are_silent_for_long_are_forgotten(
    upshift: Running,
) -> None:
    now_ms = upshift.redis.time()[0] * 1000
    fields = {
        f"checkout-{number}/{process}": encode_status(
            at_rest(f"checkout-{number}", {}, now_ms - silent_ms)
        )
        for number in range(500)
        for process, silent_ms in ((1, FORGET_AGENTS_MS + 1000), (2, 0))
    }
    upshift.redis.hset(KEYS.agents(HOME), mapping=fields)
    upshift.redis.zadd(KEYS.reporting, {HOME: now_ms})
    upshift.controller.records._sweep_agents_at = 0  # it swept at its start
    await upshift.controller.records.sweep()
    left = upshift.redis.hkeys(KEYS.agents(HOME))
    assert sorted(left) == sorted(field for field in fields if field.endswith("/2"))
