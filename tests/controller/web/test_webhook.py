"""Alertmanager's webhook, from the request to what stands in Redis."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import time
from typing import Any

import pytest
from redis.asyncio.client import Pipeline

from controller.conftest import PRODUCTION, WEBHOOK, Running, Start, alert, notification, outcomes
from servers import RedisServer
from upshift_agent.contract import Keys, decode_plan
from upshift_controller.views.models import Accounts

KEYS = Keys()


async def test_a_firing_alert_becomes_a_plan_that_agents_get_at_once(upshift: Running) -> None:
    with upshift.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(KEYS.changes("service/checkout"))
        pubsub.get_message(timeout=1)
        answer = await upshift.notify()
        pushed = await asyncio.to_thread(pubsub.get_message, timeout=5)
    assert (answer.status, outcomes(answer)) == (200, ["granted"])
    plan = decode_plan(pushed["data"])
    (boost,) = plan.leases
    assert (boost.hz, boost.expires_at_ms - boost.since_ms) == (100, 600_000)
    assert boost.where == {"deployment.environment.name": "production"}
    assert decode_plan(upshift.redis.get(KEYS.plan("service/checkout"))) == plan
    assert plan.rev == int(upshift.redis.xrevrange(KEYS.history("service/checkout"))[0][0][:-2])


async def test_the_answer_tells_what_each_alert_did_and_why(upshift: Running) -> None:
    stranger = alert({"alertname": "DiskFull"}, fingerprint="2")
    nobody = alert({"alertname": "HighCPU"}, fingerprint="3")
    answer = await upshift.notify(alert(), alert(), stranger, nobody)
    Accounts.model_validate(answer.body)
    assert outcomes(answer) == ["granted", "repeat", "no_rule", "no_target"]
    reasons = [account["outcomes"][0]["reason"] for account in answer.body["alerts"]]
    assert reasons[0] == "100 Hz for 10m"
    assert "'DiskFull'" in reasons[2]
    assert "service_name, service, app, job" in reasons[3]
    assert answer.body["counts"] == {"granted": 1, "repeat": 1, "no_rule": 1, "no_target": 1}


async def test_a_second_alertmanager_changes_nothing(upshift: Running) -> None:
    await upshift.notify()
    state = upshift.redis.get(KEYS.state("service/checkout"))
    assert outcomes(await upshift.notify()) == ["repeat"]
    assert upshift.redis.get(KEYS.state("service/checkout")) == state
    assert await upshift.history() == ["granted"]


async def test_controllers_that_get_the_same_alerts_grant_one_boost(start: Start) -> None:
    async with start() as one, start() as two, start() as three:
        answers = await asyncio.gather(
            *(it.notify() for it in (one, two, three) for _ in range(10))
        )
        told = [outcome for answer in answers for outcome in outcomes(answer)]
        assert sorted(told) == ["granted"] + ["repeat"] * 29
        assert await one.history() == ["granted"]


async def test_a_webhook_takes_one_round_trip_however_much_it_carries(
    unlimited: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await unlimited.notify(alert({"alertname": "HighCPU", "service": "warm-up"}))
    trips = 0
    execute = Pipeline.execute

    async def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal trips
        task = asyncio.current_task()  # others look now and then
        trips += task is not None and task.get_name() == "lane of alerts"
        return await execute(*args, **kwargs)

    monkeypatch.setattr(Pipeline, "execute", counted)
    alerts = [
        alert({"alertname": "HighCPU", "service": f"s{i % 10}"}, fingerprint=f"{i}")
        for i in range(100)
    ]
    answer = await unlimited.notify(*alerts)
    assert answer.body["counts"] == {"granted": 10, "joined": 90}
    assert trips == 1


async def test_200_means_committed(unlimited: Running) -> None:
    answers = await asyncio.gather(
        *(unlimited.notify(alert({"alertname": "HighCPU", "service": f"s{i}"})) for i in range(50))
    )
    assert {answer.status for answer in answers} == {200}
    for i in range(50):
        assert unlimited.redis.exists(KEYS.plan(f"service/s{i}"))


async def test_with_redis_away_the_webhook_says_503_within_5_s_and_a_retry_comes_through(
    upshift: Running, valkey: RedisServer
) -> None:
    valkey.freeze()
    try:
        began = time.monotonic()
        answer = await upshift.notify()
        assert time.monotonic() - began < 5
    finally:
        valkey.thaw()
    assert answer.status == 503
    assert answer.headers["Retry-After"].isdigit()
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    again = await upshift.notify()
    assert again.status == 200
    assert await upshift.history() == ["granted"]


async def test_a_bad_alert_is_named_and_the_good_ones_apply(upshift: Running) -> None:
    bad = [
        "not an object",
        alert(startsAt="yesterday"),
        alert(status="exploding"),
        alert(labels={"alertname": 7}),  # type: ignore[dict-item]
        {k: v for k, v in alert().items() if k != "labels"},
    ]
    answer = await upshift.notify(*bad, alert())
    assert answer.status == 200
    assert outcomes(answer) == ["invalid"] * 5 + ["granted"]
    reasons = [account["outcomes"][0]["reason"] for account in answer.body["alerts"]]
    assert reasons[0] == "alerts[0] must be an object, got 'not an object'"
    assert reasons[1].startswith("alerts[1].startsAt must be a time such as 2026-01-31T12:00:00Z")
    assert reasons[2] == "alerts[2].status must be firing or resolved, got 'exploding'"


JSON = {"Content-Type": "application/json"}
BAD_BODIES = {
    "not JSON": (b"{", JSON, 400, "not JSON"),
    "not UTF-8": (b'{"version": "\xff"}', JSON, 400, "not JSON"),
    "100,000 brackets": (b"[" * 100_000, JSON, 400, "not JSON"),
    "a list": (b"[]", JSON, 422, "must be Alertmanager's webhook object"),
    "another version": (b'{"version": "5"}', JSON, 422, "must be \"4\", got '5'"),
    "no version": (b"{}", JSON, 422, 'must be "4", got None'),
    "no alerts": (b'{"version": "4"}', JSON, 422, "alerts must be a list"),
    "a form": (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "got applic"),
    "no type": (b"{}", {}, 415, "Content-Type must be application/json"),
    "too large": (io.BytesIO(b" " * (17 * 1024 * 1024)), JSON, 413, "16777216"),
    "a compressed bomb": (
        gzip.compress(b" " * (17 * 1024 * 1024)),
        JSON | {"Content-Encoding": "gzip"},
        415,
        "must not be compressed",
    ),
}


@pytest.mark.parametrize("case", BAD_BODIES)
async def test_a_body_that_is_no_notification_is_refused_with_a_problem(
    upshift: Running, case: str
) -> None:
    body, headers, status, detail = BAD_BODIES[case]
    answer = await upshift.ask("POST", WEBHOOK, data=body, headers=headers)
    assert answer.status == status
    assert set(answer.body) >= {"type", "title", "status", "detail"}
    assert detail in answer.body["detail"]
    assert upshift.redis.keys("*checkout*") == []
    metrics = await upshift.ask("GET", "/metrics")
    assert "upshift_rejected_requests_total{" in metrics.body


@pytest.mark.parametrize(
    "name",
    ["{checkout}", "a/b", "🔥", "per%cent", "~tilde", " blank ", "a" * 248],
)
async def test_any_service_name_is_a_target_of_its_own(upshift: Running, name: str) -> None:
    answer = await upshift.notify(alert({"alertname": "HighCPU", "service_name": name}))
    assert outcomes(answer) == ["granted"]
    assert upshift.redis.exists(KEYS.plan(f"service/{name}"))
    listed = await upshift.ask("GET", "/api/v1/targets")
    assert f"service/{name}" in [row["target"] for row in listed.body["targets"]]


async def test_a_service_name_of_10_kb_changes_nothing_and_says_why(upshift: Running) -> None:
    answer = await upshift.notify(alert(PRODUCTION | {"service_name": "x" * 10_240}))
    assert outcomes(answer) == ["invalid"]
    assert "at most 256 bytes" in answer.body["alerts"][0]["outcomes"][0]["reason"]


async def test_what_came_of_alerts_is_counted(upshift: Running) -> None:
    await upshift.notify(alert(), alert(), "bad")
    metrics = (await upshift.ask("GET", "/metrics")).body
    assert 'upshift_webhooks_total{code="200"} 1.0' in metrics
    for outcome in ("granted", "repeat", "invalid"):
        assert f'upshift_alerts_total{{outcome="{outcome}"}} 1.0' in metrics


async def test_explain_tells_what_would_happen_and_changes_nothing(upshift: Running) -> None:
    for body in (notification(alert()), [alert()], alert(), {"labels": PRODUCTION}):
        answer = await upshift.ask("POST", "/api/v1/explain", json=body)
        assert outcomes(answer) == ["granted"]
    rules = answer.body["alerts"][0]["rules"]
    assert [(it["rule"], it["matches"]) for it in rules] == [
        ("high_cpu", True),
        ("high_latency", False),
    ]
    assert await upshift.history() == []
    await upshift.notify()
    answer = await upshift.ask("POST", "/api/v1/explain", data=json.dumps(alert()), headers=JSON)
    assert outcomes(answer) == ["repeat"]
