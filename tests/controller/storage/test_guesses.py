"""A change is made from what is remembered; where that is wrong, Redis says what is right."""

from __future__ import annotations

import pytest

from controller.conftest import Running, Start, alert, outcomes
from servers import RedisServer
from upshift_agent.contract import Keys, decode_plan
from upshift_controller.storage import memory
from upshift_controller.storage.memory import Memory, monotonic_us
from upshift_rules.leases.state import Case, Episode, TargetState

KEYS = Keys()
CHECKOUT = "service/checkout"
CAP = {"target": CHECKOUT, "kind": "cap", "hz": 9, "duration": "10m"}
AN_HOUR_US = 3_600_000_000
#: Shorter than it takes to give up.
SHORT = "sampling: {on_alert: [{trigger: high_cpu, frequency: 100, duration: 1s}]}"


async def test_what_another_controller_did_is_known_before_anything_is_decided(
    start: Start,
) -> None:
    async with start() as one, start() as other:
        assert outcomes(await one.notify()) == ["granted"]
        assert (await other.ask("DELETE", f"/api/v1/targets/{CHECKOUT}/leases")).status == 200
        answer = await one.notify()
        assert outcomes(answer) == ["repeat"]
        assert "released" in answer.body["alerts"][0]["outcomes"][0]["reason"]
        assert (await other.ask("POST", "/api/v1/leases", json=CAP)).status == 201
        assert outcomes(await one.notify(alert(fingerprint="b"))) == ["granted"]
        assert sorted(it["kind"] for it in await one.leases(CHECKOUT)) == ["boost", "cap"]


async def test_a_redis_that_lost_its_data_is_not_told_of_leases_it_never_had(
    upshift: Running,
) -> None:
    await upshift.notify()
    before = decode_plan(upshift.redis.get(KEYS.plan(CHECKOUT))).rev
    upshift.redis.flushall()
    assert outcomes(await upshift.notify()) == ["granted"]
    assert await upshift.history() == ["granted"]
    assert decode_plan(upshift.redis.get(KEYS.plan(CHECKOUT))).rev > before


async def test_a_clock_that_was_guessed_ahead_ends_no_lease_early(upshift: Running) -> None:
    await upshift.notify()
    seconds, micros = upshift.redis.time()
    ahead_us = seconds * 1_000_000 + micros + AN_HOUR_US
    upshift.controller.store._memory.observe(ahead_us, monotonic_us())
    assert outcomes(await upshift.notify(alert(fingerprint="b"))) == ["renewed"]
    (boost,) = await upshift.leases(CHECKOUT)
    assert boost["expires_at_ms"] < seconds * 1000 + 600_000 + 60_000
    assert await upshift.history() == ["granted", "renewed"]


async def test_a_change_whose_time_was_guessed_late_is_told_as_it_happens(
    upshift: Running,
) -> None:
    await upshift.notify()
    watch = await upshift.controller.histories.watch()
    seconds, micros = upshift.redis.time()
    late_us = (seconds - 1) * 1_000_000 + micros
    upshift.controller.store._memory.observe(late_us, monotonic_us())
    other = alert({"alertname": "HighCPU", "service_name": "cart"})
    assert outcomes(await upshift.notify(other)) == ["granted"]
    told = [(line.target, line.entry["event"]) for line in await watch.news()]
    assert told == [("service/cart", "granted")], "and nothing from before it began"
    assert await watch.news() == []


async def test_a_commit_that_was_given_up_is_not_made_when_redis_wakes(
    start: Start, valkey: RedisServer
) -> None:
    async with start(SHORT) as upshift:
        valkey.freeze()
        try:
            assert (await upshift.notify()).status == 503
        finally:
            valkey.thaw()
        assert outcomes(await upshift.notify()) == ["granted"]
        assert await upshift.history() == ["granted"]


def guess_us(known: Memory) -> int:
    guess = known.recall(["a"])
    assert guess is not None
    assert not guess.certain
    return guess.now_us


def test_remembered_time_runs_on_and_is_never_ahead() -> None:
    known = Memory()
    assert known.recall(["a"]) is None
    began_us = monotonic_us()
    known.observe(1_000_000, began_us)
    first_us, second_us = guess_us(known), guess_us(known)
    assert 1_000_000 <= first_us <= second_us <= 1_000_000 + monotonic_us() - began_us


def test_an_answer_that_was_read_late_does_not_set_the_time_back() -> None:
    known = Memory()
    known.observe(60_000_000, monotonic_us())
    half_a_minute_ago_us = monotonic_us() - 30_000_000
    known.observe(30_001_000, half_a_minute_ago_us)
    assert guess_us(known) >= 60_000_000


def test_but_one_that_proves_it_wrong_does() -> None:
    known = Memory()
    known.observe(60_000_000, monotonic_us())
    known.observe(20_000_000, monotonic_us() - 30_000_000)
    assert 20_000_000 <= guess_us(known) < 30_000_000


def test_only_so_much_is_remembered_of_the_targets_changed_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "MAX_PARTS", 4)
    known = Memory()
    known.observe(0, monotonic_us())
    cases = {"high_cpu": Case(episodes={"1": Episode(began_ms=0, until_ms=0)})}
    for state in (
        TargetState(target="a", rev=7, cases=cases),
        TargetState(target="b", rev=7),
        TargetState(target="a", rev=8, cases=cases),  # again, so it counts once
        TargetState(target="c", rev=7),
    ):
        known.keep(state)
    guess = known.recall(["a", "b", "c"])
    assert guess is not None
    assert {it: state.rev for it, state in guess.states.items()} == {"a": 8, "b": 0, "c": 7}
