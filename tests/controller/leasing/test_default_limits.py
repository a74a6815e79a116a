"""The limits that hold where nobody has set any: 200 Hz, and a third of the live agents."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from controller.conftest import Running, Start, outcomes
from controller.limiting import RULES, about, budget, limited, override, report
from upshift_agent.contract import FLEET
from upshift_controller.errors import Unavailable
from upshift_controller.leasing.limiting import census
from upshift_controller.storage.budgets import RedisBudgets

REASON = (
    "limits.max_boosted_agents is {most} unless upshift.yaml sets another (a third of the live "
    "agents, at least 10); {used} are boosted, and this would boost {more} more"
)


@asynccontextmanager
async def fleet(
    start: Start, services: int, agents: int = 1, *, controllers: int = 1, rules: str = RULES
) -> AsyncIterator[list[Running]]:
    """Controllers that start where so many agents of each service `s0`, `s1`, … live already."""
    async with start(rules) as first:
        for number in range(services):
            report(first, f"s{number}", agents)
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(start(rules)) for _ in range(controllers)]


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.to_thread(time.sleep, 0.02)  # the timeout is pytest's


async def delivered(running: Running, alert: dict[str, Any]) -> None:
    """As Alertmanager does it: a 503 is tried again."""
    while (await running.notify(alert)).status != 200:
        pass


async def boosted(running: Running) -> int:
    answer = await running.ask("GET", "/api/v1/leases")
    return len(answer.body["leases"])


@pytest.mark.parametrize("at_once", [1, 50, 500])
async def test_a_storm_of_alerts_over_500_services_boosts_a_third_of_the_agents(
    start: Start, at_once: int
) -> None:
    async with fleet(start, 500) as (running,):
        alerts = [about(f"s{number}") for number in range(500)]
        groups = [alerts[at : at + at_once] for at in range(0, 500, at_once)]
        answers = await asyncio.gather(*(running.notify(*group) for group in groups))
        told = Counter(it for answer in answers for it in outcomes(answer))
        assert told == {"granted": 166, "refused": 334}
        assert await boosted(running) == 166
        again = await running.notify(*alerts)
        refusals = [it["outcomes"][0] for it in again.body["alerts"]]
        (reason,) = {it["reason"] for it in refusals if it["outcome"] == "refused"}
        assert reason == REASON.format(most=166, used=166, more=1)
        await until(lambda: len(budget(running)) == 166)


async def test_two_controllers_in_a_storm_keep_the_default_limit_together(start: Start) -> None:
    async with fleet(start, 500, controllers=2) as both:
        for running in both:  # each knows the budget, and grants from memory at first
            await running.notify(about("s0"))
        await asyncio.gather(
            *(delivered(both[number % 2], about(f"s{number}")) for number in range(1, 500))
        )
        assert await boosted(both[0]) == 166


async def test_at_least_10_agents_may_be_boosted_however_few_live(start: Start) -> None:
    async with start(RULES) as running:
        told = [outcomes(await running.notify(about(f"s{n}")))[0] for n in range(12)]
        assert told == ["granted"] * 10 + ["refused"] * 2
        await running.ask("DELETE", "/api/v1/targets/service/s0/leases")
        assert outcomes(await running.notify(about("s11"))) == ["granted"], "there is room now"


async def test_services_that_nobody_profiles_take_no_room_while_others_report(start: Start) -> None:
    async with fleet(start, 3) as (running,):
        told = await running.notify(*(about(f"unknown{number}") for number in range(40)))
        assert outcomes(told) == ["granted"] * 40
        told = await running.notify(*(about(f"s{number}") for number in range(3)))
        assert outcomes(told) == ["granted"] * 3
        await until(lambda: len(budget(running)) == 3)


async def test_a_fleet_that_starts_after_its_controller_is_counted_at_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is unknown would take all the room for as long as its boosts last."""
    monkeypatch.setattr(census, "ONE_PART_IN", 0)
    async with start(RULES) as running:
        await running.notify(about("s0"))  # the first look finds nobody
        report(running, "s1", 3)
        told = await running.notify(*(about(f"unknown{number}") for number in range(40)))
        assert outcomes(told) == ["granted"] * 40
        assert outcomes(await running.notify(about("s1"))) == ["granted"]


async def test_one_service_of_more_than_a_third_is_refused_and_told_how_to_allow_it(
    start: Start,
) -> None:
    async with fleet(start, 1, 40) as (running,):
        answer = await running.notify(about("s0"))
        (outcome,) = answer.body["alerts"][0]["outcomes"]
        assert outcome["reason"] == REASON.format(most=13, used=0, more=40)
        assert (await override(running, target="service/s0")).status == 409
        assert (await override(running, target=FLEET, kind="cap", hz=0)).status == 201
    async with fleet(start, 1, 40, rules=limited(max_boosted_agents=40)) as (running,):
        assert outcomes(await running.notify(about("s0"))) == ["granted"]


async def test_nothing_goes_above_200_hz_unless_the_user_says_so(start: Start) -> None:
    async with start(RULES) as running:
        assert (await override(running, hz=200)).status == 201
        answer = await override(running, hz=201)
        assert (answer.status, answer.body["detail"]) == (
            409,
            "limits.max_frequency is 200 Hz unless upshift.yaml sets another, and this boost asks "
            "for 201 Hz",
        )


async def test_explain_tells_the_limits_in_force(start: Start) -> None:
    async with start(RULES) as running:
        explained = await running.ask("POST", "/api/v1/explain", json=about("checkout"))
        assert explained.body["limits"] == (
            "limits: max_frequency 200 Hz unless upshift.yaml sets another, max_boosted_agents a "
            "third of the live agents, at least 10, unless upshift.yaml sets another"
        )


async def test_far_from_the_default_limit_a_grant_waits_for_no_budget(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(start, 60) as (running,):
        await running.notify(about("s0"))  # the first one looks
        await until(lambda: len(budget(running)) == 1)
        with monkeypatch.context() as patched:
            patched.setattr(RedisBudgets, "read", _away)
            for number in range(1, 10):
                assert outcomes(await running.notify(about(f"s{number}"))) == ["granted"]
            answer = await running.notify(about("s10"))
            assert answer.status == 503, "it would be more than half of 20, so it has to ask"
        assert outcomes(await running.notify(about("s10"))) == ["granted"]
        await until(lambda: len(budget(running)) == 11)


async def _away(_: RedisBudgets) -> None:
    raise Unavailable("away")


async def test_what_is_granted_without_asking_is_reserved_before_the_controller_stops(
    start: Start,
) -> None:
    async with fleet(start, 60) as (running,):
        for number in range(5):
            await running.notify(about(f"s{number}"))
    async with start(RULES) as running:
        assert len(budget(running)) == 5


async def test_a_boost_that_is_released_is_no_longer_reserved(start: Start) -> None:
    async with fleet(start, 60) as (running,):
        for number in range(5):
            await running.notify(about(f"s{number}"))
            await running.ask("DELETE", f"/api/v1/targets/service/s{number}/leases")
        await until(lambda: budget(running) == {})


async def test_the_limit_and_what_is_used_of_it_are_metrics_by_default_too(start: Start) -> None:
    async with fleet(start, 60) as (running,):
        await running.notify(about("s0"))
        await until(lambda: len(budget(running)) == 1)
        metrics = (await running.ask("GET", "/metrics")).body
        assert "upshift_boosted_agents_limit 20.0" in metrics
        assert "upshift_boosted_agents_reserved 1.0" in metrics
