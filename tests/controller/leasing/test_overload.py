"""Too many alerts at once: they are sent away cheaply, and keep nothing else waiting."""

from __future__ import annotations

import asyncio

import pytest

from controller.conftest import WEBHOOK, Running, Start, alert
from controller.leasing.test_reverts import until
from upshift_controller.leasing import committer

SHORT = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 100, duration: 1s}
"""


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "MAX_WAITING", 0)


async def test_too_much_is_refused_with_a_time_to_come_back(upshift: Running, full: None) -> None:
    answer = await upshift.notify()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert await upshift.history() == []


async def test_what_is_refused_is_not_even_read(upshift: Running, full: None) -> None:
    json_type = {"Content-Type": "application/json"}
    answer = await upshift.ask("POST", WEBHOOK, data=b"no JSON", headers=json_type)
    assert answer.status == 503


async def test_a_flood_of_alerts_keeps_no_operator_out(upshift: Running, full: None) -> None:
    cap = {"target": "fleet", "kind": "cap", "hz": 0, "duration": "10m"}
    answer = await upshift.ask("POST", "/api/v1/leases", json=cap)
    assert answer.status == 201
    lease = answer.body["outcome"]["lease"]
    assert (await upshift.ask("DELETE", f"/api/v1/leases/{lease}")).status == 200


async def test_a_flood_of_alerts_puts_no_revert_off(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start(SHORT) as running:
        await running.notify(alert())
        monkeypatch.setattr(committer, "MAX_WAITING", 0)
        async with asyncio.timeout(2.5):  # half of a sweep's interval
            await until(running, "expired")
