"""The blast radius is bounded: across webhooks, overrides, restarts, faults and controllers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from controller.conftest import UNLIMITED, Start, outcomes
from controller.limiting import RULES, about, budget, limited, override, report
from upshift_agent.contract import FLEET, Keys
from upshift_controller.configuration import load
from upshift_controller.errors import StartRefused
from upshift_controller.views import models

KEYS = Keys()


# One controller


async def test_a_refused_grant_says_so_in_the_answer_the_history_a_metric_and_explain(
    start: Start,
) -> None:
    async with start(limited(max_boosted_agents=3)) as running:
        report(running, "checkout", 2)
        report(running, "cart", 2)
        assert outcomes(await running.notify(about("checkout"))) == ["granted"]
        explained = await running.ask("POST", "/api/v1/explain", json=about("cart"))
        assert await running.history("service/cart") == []
        answer = await running.notify(about("cart"))
        models.Accounts.model_validate(answer.body)
        for told in (explained, answer):
            (outcome,) = told.body["alerts"][0]["outcomes"]
            assert outcome["outcome"] == "refused"
            assert outcome["refusal"] == {"limit": "max_boosted_agents", "value": 3, "used": 2}
            assert outcome["reason"] == (
                "limits.max_boosted_agents is 3; 2 are boosted, and this would boost 2 more"
            )
        history = await running.ask("GET", "/api/v1/history?target=service/cart")
        (entry,) = models.History.model_validate(history.body).entries
        assert (entry.event, entry.limit) == ("refused", "max_boosted_agents")
        assert "this would boost 2 more" in entry.reason
        assert outcomes(await running.notify(about("cart"))) == ["refused"]
        assert await running.history("service/cart") == ["refused"], "a repeat is no news"
        metrics = (await running.ask("GET", "/metrics")).body
        assert 'upshift_refused_total{limit="max_boosted_agents"} 1.0' in metrics
        assert 'upshift_alerts_total{outcome="refused"} 2.0' in metrics
        await running.ask("DELETE", "/api/v1/targets/service/checkout/leases")
        assert outcomes(await running.notify(about("cart"))) == ["granted"], "there is room now"


@pytest.mark.parametrize("services", [("cart", "checkout"), ("checkout", "cart")])
async def test_who_gets_the_last_place_does_not_depend_on_the_order_of_alerts(
    start: Start, services: tuple[str, str]
) -> None:
    async with start(limited(max_boosted_agents=2)) as running:
        for service in services:
            report(running, service, 2)
        await running.notify(*map(about, services))
        assert await running.leases("service/cart")
        assert not await running.leases("service/checkout")


async def test_a_boost_that_reverts_makes_room(start: Start) -> None:
    async with start(limited(max_boosted_agents=1)) as running:
        first = about("checkout", "HighLatency")
        assert outcomes(await running.notify(first)) == ["granted"]
        assert outcomes(await running.notify(about("cart"))) == ["refused"]
        assert outcomes(await running.notify(first | {"status": "resolved"})) == ["reverted"]
        assert outcomes(await running.notify(about("cart"))) == ["granted"]


async def test_an_expired_boost_makes_room_by_itself(start: Start) -> None:
    rules = limited(max_boosted_agents=1).replace("10m", "1s")
    async with start(rules) as running:
        assert outcomes(await running.notify(about("checkout"))) == ["granted"]
        assert outcomes(await running.notify(about("cart"))) == ["refused"]
        while outcomes(await running.notify(about("cart"))) == ["refused"]:
            await asyncio.to_thread(time.sleep, 0.05)  # its length is 1 s; the timeout is pytest's


async def test_a_service_without_known_agents_counts_as_one(start: Start) -> None:
    async with start(limited(max_boosted_agents=2)) as running:
        told = [outcomes(await running.notify(about(name)))[0] for name in ("a", "b", "c")]
        assert told == ["granted", "granted", "refused"]


async def test_only_agents_that_are_raised_count(start: Start) -> None:
    async with start(limited(max_boosted_agents=5)) as running:
        report(running, "checkout", 5)
        report(running, "staging", 5, environment="staging")
        mild = about("staging", "HighLatency")  # 49 Hz, which is the baseline in staging
        mild["labels"]["environment"] = "staging"
        assert outcomes(await running.notify(mild)) == ["granted"]
        assert (await override(running, where={"k8s.pod.name": "new"})).status == 201  # for one
        assert (await override(running)).status == 201  # for all five, the new one among them
        answer = await override(running, target="service/other")
        assert answer.body["detail"].startswith("limits.max_boosted_agents is 5; 5 are boosted")


async def test_overrides_count_unless_they_raise_nobody(start: Start) -> None:
    async with start(limited(max_boosted_agents=4)) as running:
        report(running, "checkout", 5)
        for raising in ({}, {"kind": "pin"}, {"target": FLEET}):
            refused = await override(running, **raising, by="ann")
            assert refused.status == 409
            assert "limits.max_boosted_agents is 4; 0 are boosted" in refused.body["detail"]
        for harmless in ({"kind": "cap"}, {"kind": "pin", "hz": 19}, {"kind": "pin", "hz": 0}):
            assert (await override(running, **harmless)).status == 201
        history = await running.ask("GET", "/api/v1/history?target=service/checkout")
        refused_by = [it["by"] for it in history.body["entries"] if it["event"] == "refused"]
        assert refused_by == ["ann", "ann"]
        assert budget(running) == {}


async def test_each_rule_has_so_many_boosts_an_hour_and_a_release_gives_none_back(
    start: Start,
) -> None:
    async with start(limited(max_boosts_per_hour=2)) as running:
        for name in ("a", "b"):
            assert outcomes(await running.notify(about(name))) == ["granted"]
            await running.ask("DELETE", f"/api/v1/targets/service/{name}/leases")
        answer = await running.notify(about("c"), about("c", "HighLatency"))
        assert outcomes(answer) == ["refused", "granted"]
        (outcome,) = answer.body["alerts"][0]["outcomes"]
        assert outcome["refusal"] == {"limit": "max_boosts_per_hour", "value": 2, "used": 2}
        assert (await override(running)).status == 201, "an operator is no rule"


async def test_a_repeated_alert_is_not_another_boost_of_the_hour(start: Start) -> None:
    async with start(limited(max_boosts_per_hour=1)) as running:
        assert outcomes(await running.notify(about("a"))) == ["granted"]
        assert outcomes(await running.notify(about("a"))) == ["repeat"]
        joining = about("a") | {"fingerprint": "another"}
        assert outcomes(await running.notify(joining))[0] in ("joined", "renewed")


async def test_a_renewed_boost_is_counted_for_longer(start: Start) -> None:
    async with start(limited(max_boosted_agents=1)) as running:
        await running.notify(about("a"))
        (before,) = budget(running).values()
        await running.notify(about("a") | {"fingerprint": "another"})
        (after,) = budget(running).values()
        (lease,) = await running.leases("service/a")
        assert before[5] < after[5] == lease["expires_at_ms"]


async def test_what_is_used_outlives_the_controller(start: Start) -> None:
    limits = limited(max_boosted_agents=2, max_boosts_per_hour=1)
    async with start(limits) as running:
        await running.notify(about("a"))
    async with start(limits) as running:
        answer = await running.notify(about("b"), about("b", "HighLatency"))
        assert outcomes(answer) == ["refused", "granted"]
        answer = await running.notify(about("c", "HighLatency"))
        (outcome,) = answer.body["alerts"][0]["outcomes"]
        assert outcome["refusal"]["limit"] == "max_boosts_per_hour"


async def test_a_reload_puts_new_limits_in_force(start: Start, tmp_path: Path) -> None:
    async with start(limited(max_boosted_agents=1)) as running:
        assert outcomes(await running.notify(about("a"), about("b"))) == ["granted", "refused"]
        (tmp_path / "upshift.yaml").write_text(limited(max_boosted_agents=2))
        assert (await running.ask("POST", "/-/reload")).status == 200
        assert outcomes(await running.notify(about("b"))) == ["granted"]


async def test_without_limits_there_is_no_budget(start: Start) -> None:
    async with start(RULES + UNLIMITED) as running:
        await running.notify(about("a"))
        await override(running)
        assert not running.redis.exists(KEYS.budget)


# Frequencies


async def test_no_override_goes_above_max_frequency_but_a_cap_may(start: Start) -> None:
    async with start(limited(max_frequency=99)) as running:
        for kind in ("boost", "pin"):
            answer = await override(running, kind=kind, hz=100, by="ann")
            assert answer.status == 409
            expected = f"limits.max_frequency is 99 Hz, and this {kind} asks for 100 Hz"
            assert answer.body["detail"] == expected
        assert (await override(running, kind="cap", hz=100)).status == 201
        assert (await override(running, hz=99)).status == 201
        assert await running.history() == ["refused", "refused", "granted", "granted"]
        metrics = (await running.ask("GET", "/metrics")).body
        assert 'upshift_refused_total{limit="max_frequency"} 2.0' in metrics


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (RULES + "limits: {max_frequency: 60}\n",
         "upshift.yaml:6:38: frequency must be at most limits.max_frequency, 60 Hz, got 99"),
        ("rules: rules.yaml\nlimits: {max_frequency: 60}\n", "rules.yaml:6:38: frequency must be"),
        ("limits: {max_frequency: 60}\n", "the built-in default:"),
        ("limits: {max_frequency: 0}\n", "upshift.yaml:1:25: max_frequency must be 1–1000 Hz"),
        ("limits: {max_boosted_agents: 0}\n",
         "upshift.yaml:1:30: max_boosted_agents must be a whole number from 1 up, or unlimited"),
        ("limits: {max_boosts_per_hour: often}\n", "max_boosts_per_hour must be a whole number"),
        ("limits: {max_boosts: 1}\n", 'unknown field "max_boosts"; did you mean'),
        ("limits: 7\n", "upshift.yaml:1:9: limits must be a mapping"),
    ],
)  # fmt: skip
def test_limits_that_make_no_sense_are_refused_with_the_place(
    tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "upshift.yaml").write_text(text)
    with pytest.raises(StartRefused) as refused:
        load(tmp_path / "upshift.yaml")
    assert says in str(refused.value)


async def test_an_agents_own_clamp_is_visible(start: Start) -> None:
    async with start(RULES) as running:
        await running.notify(about("checkout"))
        report(running, "checkout", 1)
        agents = (await running.ask("GET", "/api/v1/agents")).body["agents"]
        (live,) = [it for it in agents if it["state"] != "lost"]
        wanted = live["requested"]["profiles"]["cpu"]
        assert (live["max_hz"], wanted["hz"], wanted["clamped_from"]) == (50, 50, 99)
        assert "held to this agent's max_hz, asked for 99 Hz" in wanted["reason"]
