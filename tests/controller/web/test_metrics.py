"""`/metrics`, asked as Prometheus asks it."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contract.statuses import applied, requested
from controller.conftest import UNLIMITED, Running, Start, alert
from upshift_agent.contract import Keys, Status, encode_status
from upshift_controller import metrics

HOME = "service/checkout"
LIMITS = "limits: {max_boosted_agents: 7}\n"


@pytest.fixture(autouse=True)
def _at_every_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FLEET_EVERY_S", 0.0)


def report(running: Running, *names: str, hz: int = 19) -> None:
    now_ms = running.redis.time()[0] * 1000
    for name in names:
        status = Status(
            instance=name,
            attributes={"service.name": "checkout", "deployment.environment.name": "production"},
            driver="callable",
            at_ms=now_ms,
            state="applied",
            since_ms=now_ms,
            requested=requested(hz),
            applied=applied(hz, {HOME: 2**52, "fleet": 2**52}, now_ms),
        )
        running.redis.hset(Keys().agents(HOME), name, encode_status(status))
        running.redis.zadd(Keys().reporting, {HOME: now_ms})


async def scraped(running: Running) -> dict[str, float]:
    answer = await running.ask("GET", "/metrics")
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(answer.body)
        for sample in family.samples
    }


async def test_the_fleet_is_told_in_sums(start: Start) -> None:
    async with start(LIMITS) as running:
        report(running, "a", "b", "c")
        found = await scraped(running)
        assert found["upshift_agents applied"] == found["upshift_converged_agents"] == 3
        assert found["upshift_requested_hertz cpu"] == found["upshift_applied_hertz cpu"] == 3 * 19
        assert (found["upshift_requested_hertz wall"], found["upshift_leases cap all"]) == (0, 0)
        assert (found["upshift_boosted_agents"], found["upshift_leases boost cpu"]) == (0, 0)

        await running.notify(alert({"alertname": "HighCPU", "service_name": "checkout"}))
        found = await scraped(running)
        assert found["upshift_leases boost cpu"] == 1
        assert (found["upshift_boosted_agents"], found["upshift_converged_agents"]) == (3, 0)
        assert found["upshift_service_requested_hertz checkout"] == 3 * 100
        assert found["upshift_service_applied_hertz checkout"] == 3 * 19
        assert found["upshift_boosted_agents_reserved"] == 3
        assert found["upshift_boosted_agents_limit"] == 7
        assert found["upshift_kill_switches"] == 0


async def test_what_every_process_has_is_there_and_nothing_twice(start: Start) -> None:
    async with start(UNLIMITED) as running:
        found = await scraped(running)
    assert found["process_resident_memory_bytes"] > 1e6
    assert "python_gc_objects_collected_total 0" in found
    assert not [name for name in found if "_created" in name]
    assert "upshift_boosted_agents_limit" not in found, "no limit is set"
