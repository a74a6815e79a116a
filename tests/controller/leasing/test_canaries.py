"""A rule for a share of the agents reaches one at least, and every answer says how many."""

from __future__ import annotations

from typing import Any

import pytest

from contract.statuses import requested
from controller.conftest import Running, Start, alert, outcomes
from upshift_agent.contract import AGENT, Keys, Lease, Status, applies, encode_status
from upshift_controller.leasing import canaries

KEYS = Keys()
HOME = "service/checkout"
RULES = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 99, duration: 10m, fraction: 0.000001}
"""
LIMITS = "limits: {max_boosted_agents: 100}\n"
ABOUT = alert({"alertname": "HighCPU", "service_name": "checkout"})


def report(running: Running, *names: str) -> None:
    """Only these workers report: of one instance, as forked ones are."""
    now_ms = running.redis.time()[0] * 1000
    running.redis.delete(KEYS.agents(HOME))
    for name in names:
        status = Status(
            instance="checkout-1",
            attributes={"service.instance.id": "checkout-1", AGENT: name},
            driver="callable",
            at_ms=now_ms,
            state="applied",
            since_ms=now_ms,
            requested=requested(19),
        )
        running.redis.hset(KEYS.agents(HOME), name, encode_status(status))


async def reached(running: Running, *names: str) -> list[str]:
    (row,) = await running.leases()
    return [it for it in names if applies(Lease.from_json(row), {AGENT: it})]


async def reason(running: Running, path: str, body: Any) -> str:
    answer = await running.ask("POST", path, json=body)
    (outcome,) = answer.body["alerts"][0]["outcomes"]
    return str(outcome["reason"])


@pytest.mark.parametrize("limits", ["", LIMITS])
async def test_a_canary_of_five_workers_is_one_of_them_and_explain_says_so(
    start: Start, limits: str
) -> None:
    workers = [f"worker-{number}" for number in range(5)]
    async with start(RULES + limits) as running:
        report(running, *workers)
        whom = "99 Hz for 10m, for 1 of 5 live agents (fraction 1e-06)"
        assert await reason(running, "/api/v1/explain", ABOUT) == whom
        answer = await running.notify(ABOUT)
        assert answer.body["alerts"][0]["outcomes"][0]["reason"] == whom
        assert len(await reached(running, *workers)) == 1
        history = await running.ask("GET", f"/api/v1/history?target={HOME}")
        assert history.body["entries"][0]["reason"].endswith("1 of 5 live agents (fraction 1e-06)")


@pytest.mark.parametrize("limits", ["", LIMITS])
async def test_a_canary_that_died_is_replaced_while_its_boost_lasts(
    start: Start, limits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canaries, "CHECK_S", 0.0)
    async with start(RULES + limits) as running:
        report(running)
        answer = await running.notify(ABOUT)
        assert "for none yet: no live agent is meant" in str(answer.body)
        report(running, "first", "second")
        await running.controller.schedule.sweep()
        (canary,) = await reached(running, "first", "second")
        await running.controller.schedule.sweep()
        assert await running.history() == ["granted", "moved"], "one that is there stays"
        report(running, "third")
    async with start(RULES + limits) as running:  # its start sees to it at once
        assert await reached(running, canary, "third") == ["third"]
        assert await running.history() == ["granted", "moved", "moved"]
        answer = await running.notify(ABOUT | {"fingerprint": "another"})
        assert outcomes(answer) in (["joined"], ["renewed"])
