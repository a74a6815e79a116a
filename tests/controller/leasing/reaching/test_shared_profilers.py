"""Agents that share a profiler are one, for every limit."""

from __future__ import annotations

from controller.conftest import Start, outcomes
from controller.limiting import KEYS, RULES, about, limited, report


async def test_a_profiler_that_services_share_counts_once(start: Start) -> None:
    async with start(limited(max_boosted_agents=3)) as running:
        for service, agents in (("checkout", 3), ("cart", 3), ("other", 4)):
            report(running, service, agents, shared=True)
        assert outcomes(await running.notify(about("checkout"))) == ["granted"]
        assert outcomes(await running.notify(about("cart"))) == ["granted"], "raised already"
        answer = await running.notify(about("other"))
        (outcome,) = answer.body["alerts"][0]["outcomes"]
        assert outcome["reason"].endswith("3 are boosted, and this would boost 1 more")
        agents = (await running.ask("GET", "/api/v1/targets/service/cart")).body["agents"]
        assert {it["profiler"] for it in agents} == {f"node-{n}:/etc/profiler" for n in range(4)}


async def test_an_empty_name_is_no_name(start: Start) -> None:
    """Or whoever sends it would count as one with all others that do."""
    async with start(limited(max_boosted_agents=3)) as running:
        report(running, "checkout", 4)
        key = KEYS.agents("service/checkout")
        for field, status in running.redis.hgetall(key).items():
            running.redis.hset(key, field, status.replace('"profiler":null', '"profiler":""'))
        answer = await running.notify(about("checkout"))
        (outcome,) = answer.body["alerts"][0]["outcomes"]
        assert outcome["reason"].endswith("this would boost 4 more")
        live = await running.controller.records.live()
        assert live["service/checkout"].profilers == 4


async def test_a_third_of_the_fleet_is_a_third_of_its_profilers(start: Start) -> None:
    async with start(RULES) as running:
        for number in range(40):
            report(running, f"s{number}", 12, shared=True)
        answer = await running.notify(about("s0"))
        (outcome,) = answer.body["alerts"][0]["outcomes"]
        assert "limits.max_boosted_agents is 10" in outcome["reason"]
        assert outcome["reason"].endswith("0 are boosted, and this would boost 12 more")
