"""The blast radius is bounded: across webhooks, overrides, restarts, faults and controllers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from controller.conftest import WEBHOOK, Answer, Running, Start, alert, notification, outcomes
from controller.test_serve import serve
from servers import RedisServer
from upshift_agent.wire import FLEET, Applied, Keys, Requested, Status, encode_status
from upshift_controller import committer, models
from upshift_controller.configuration import load
from upshift_controller.errors import StartRefused, Unavailable
from upshift_controller.ports import Snapshot

KEYS = Keys()
RULES = """
sampling:
  default: 19
  environments: {staging: 49}
  on_alert:
    - {trigger: high_cpu, frequency: 99, duration: 10m}
    - {trigger: high_latency, frequency: 49, duration: 15m, on_resolved: revert}
"""


def limited(**limits: int) -> str:
    return RULES + f"limits: {json.dumps(limits)}\n"


def about(service: str, name: str = "HighCPU", **more: Any) -> dict[str, Any]:
    labels = {"alertname": name, "service_name": service}
    return alert(labels, fingerprint=f"{name}-{service}", **more)


def report(running: Running, service: str, agents: int, environment: str = "production") -> None:
    """So many live agents of a service, and one that stopped reporting long ago."""
    now_ms = running.redis.time()[0] * 1000
    for number in range(agents + 1):
        at_ms = now_ms if number < agents else 1
        status = Status(
            instance=f"{service}-{number}",
            attributes={"deployment.environment.name": environment},
            driver="callable",
            at_ms=at_ms,
            state="applied",
            since_ms=at_ms,
            requested=Requested(hz=19, revs={}),
            applied=Applied(hz=19, revs={}, at_ms=at_ms),
            max_hz=50,
        )
        key = KEYS.agents(f"service/{service}")
        running.redis.hset(key, status.instance, encode_status(status))
    running.redis.zadd(KEYS.reporting, {f"service/{service}": now_ms})


def budget(running: Running) -> dict[str, list[Any]]:
    return dict(json.loads(running.redis.get(KEYS.budget) or "{}"))


async def override(running: Running, **changes: Any) -> Answer:
    body = {"target": "service/checkout", "kind": "boost", "hz": 99, "duration": "10m"}
    return await running.ask("POST", "/api/v1/leases", json=body | changes)


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
        assert (await override(running)).status == 201, "an engineer is no rule"


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
        assert before[-1] < after[-1] == lease["expires_at_ms"]


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


async def test_without_limits_there_is_no_budget(upshift: Running) -> None:
    await upshift.notify(about("a"))
    await override(upshift)
    assert not upshift.redis.exists(KEYS.budget)


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
        ("limits: {max_frequency: 60}\n", "default.yaml:"),
        ("limits: {max_frequency: 0}\n", "upshift.yaml:1:25: max_frequency must be 1–1000 Hz"),
        ("limits: {max_boosted_agents: 0}\n",
         "upshift.yaml:1:30: max_boosted_agents must be a whole number from 1 up, got 0"),
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
        assert (live["max_hz"], live["requested"]["hz"]) == (50, 50)
        assert live["requested"]["clamped_from"] == 99
        assert "held to this agent's max_hz, asked for 99 Hz" in live["requested"]["reason"]


# Faults


async def test_a_commit_that_failed_after_its_reservation_is_not_counted_twice(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start(limited(max_boosted_agents=1, max_boosts_per_hour=1)) as running:
        store = running.controller.store

        async def away(*_: object) -> Snapshot:
            raise Unavailable("Redis went away just now")

        with monkeypatch.context() as patch:
            patch.setattr(store, "commit", away)
            assert (await running.notify(about("a"))).status == 503
            assert len(budget(running)) == 1
        assert outcomes(await running.notify(about("a"))) == ["granted"]
        (lease,) = await running.leases("service/a")
        assert list(budget(running)) == [lease["id"]]


@pytest.mark.parametrize("what", ["webhook", "override"])
async def test_a_reservation_whose_commit_was_lost_is_given_back(
    start: Start, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    limits = limited(max_boosted_agents=1, max_boosts_per_hour=1)
    async with start(limits) as running, start(limits) as other:
        store = running.controller.store
        commit, lost = store.commit, []

        async def overtaken(*writes: Any) -> Snapshot:
            if not lost:
                lost.append(list(budget(running)))
                assert (await override(other, kind="cap")).status == 201
            return await commit(*writes)

        monkeypatch.setattr(store, "commit", overtaken)
        if what == "webhook":
            assert outcomes(await running.notify(about("checkout"))) == ["granted"]
        else:
            assert (await override(running)).status == 201
        (held,) = [it for it in await running.leases() if it["kind"] == "boost"]
        assert len(lost[0]) == 1
        assert list(budget(running)) == [held["id"]]


async def test_a_budget_that_somebody_else_wrote_is_replaced(start: Start) -> None:
    async with start(limited(max_boosted_agents=1)) as running:
        for nonsense in ("?", "[]", "[" * 100_000, '{"a": 1}', '{"a": [1, 2, 3, 4, 5, "6"]}'):
            running.redis.set(KEYS.budget, nonsense)
            assert (await override(running)).status == 201
            assert len(budget(running)) == 1
            await running.ask("DELETE", "/api/v1/targets/service/checkout/leases")


# Many controllers


async def race(url: str, alerts: list[dict[str, Any]]) -> list[str]:
    """Every alert in a webhook of its own, all at once."""
    connector = aiohttp.TCPConnector(limit=200)
    async with aiohttp.ClientSession(url, connector=connector) as session:

        async def one(body: dict[str, Any]) -> str:
            async with session.post(WEBHOOK, json=notification(body)) as answer:
                document = await answer.json()
                assert answer.status == 200, document
                return str(document["alerts"][0]["outcomes"][0]["outcome"])

        return list(await asyncio.gather(*(one(body) for body in alerts)))


async def test_3_controllers_with_1000_grants_each_never_pass_a_limit(
    valkey: RedisServer, tmp_path: Path
) -> None:
    """Half of the alerts reach all three, as from clustered Alertmanagers; half only one.

    So 2,000 boosts are asked for. The limits are not far below: the race goes on for long.
    """
    agents, per_hour = 1500, 800
    rules = ("high_cpu", "high_latency")
    config = tmp_path / "upshift.yaml"
    config.write_text(limited(max_boosted_agents=agents, max_boosts_per_hour=per_hour))

    def alerts(controller: int) -> list[dict[str, Any]]:
        names = [f"shared-{k}" if k % 4 < 2 else f"only-{controller}-{k}" for k in range(1000)]
        return [about(name, rules[k % 2]) for k, name in enumerate(names)]

    with ExitStack() as stack:
        options = ("--redis", valkey.url, "--config", str(config))
        controllers = [stack.enter_context(serve(tmp_path / f"{i}", *options)) for i in range(3)]
        told = await asyncio.gather(*(race(it.url, alerts(i)) for i, it in enumerate(controllers)))
    answers = [it for row in told for it in row]
    assert len(answers) == 3000
    # No boost ends meanwhile, so what is there in the end is the most that there ever was.
    with valkey.client() as client:
        plans = [json.loads(client.get(key)) for key in client.keys("*:plan")]
    boosts = [it["because"]["rule"] for plan in plans for it in plan["leases"]]
    assert max(boosts.count(rule) for rule in rules) <= per_hour
    assert len(boosts) == agents, "all of the budget is used, and none of it lost"
    assert answers.count("granted") == agents
    assert set(answers) <= {"granted", "refused", "repeat"}


LIVE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local live = 0
for _, key in ipairs(redis.call('KEYS', '*:plan')) do
  for _, lease in ipairs(cjson.decode(redis.call('GET', key))['leases']) do
    if lease['expires_at_ms'] > now then live = live + 1 end
  end
end
return live
"""


async def test_while_boosts_end_and_others_begin_no_moment_has_too_many(
    start: Start, valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "MAX_BATCH", 5)  # more to race for
    most = 5
    wanted = 3 * most  # so often the budget is used up
    limits = limited(max_boosted_agents=most).replace("10m", "1s")
    counted: list[int] = []
    granted = 0
    async with (
        start(limits) as one,
        start(limits) as two,
        start(limits) as three,
        Redis.from_url(valkey.url) as watcher,
    ):

        async def watch() -> None:
            while granted < wanted:
                counted.append(await watcher.eval(LIVE, 0))  # type: ignore[misc]
                await asyncio.sleep(0.005)

        watching = asyncio.create_task(watch())
        number = 0
        while granted < wanted:
            number += 1
            answers = await asyncio.gather(
                *(
                    it.notify(about(f"s{number}-{i}-{k}"))
                    for i, it in enumerate((one, two, three))
                    for k in range(20)
                )
            )
            granted += sum(it.body["counts"].get("granted", 0) for it in answers)
        await watching
    assert max(counted) == most


async def test_counting_the_reach_of_10_000_agents_is_quick(
    start: Start, record_property: Callable[[str, object], None]
) -> None:
    async with start(limited(max_boosted_agents=20_000)) as running:
        report(running, "checkout", 10_000)
        began = asyncio.get_running_loop().time()
        assert outcomes(await running.notify(about("checkout"))) == ["granted"]
        took = asyncio.get_running_loop().time() - began
        record_property("seconds", round(took, 3))
        (row,) = budget(running).values()
        assert row[2] == 10_000
        assert took < 4, "within the webhook's patience"
