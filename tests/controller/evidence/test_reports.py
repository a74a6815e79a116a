"""`upshift report` and its API, over a controller and a stand-in for a backend."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
import redis

from controller.conftest import Running, Start
from controller.evidence.backends import Program, pprof, standing_in
from upshift_agent.contract import Keys
from upshift_controller.sections.backends import BackendsEntry

MINUTE_MS = 60_000
TARGET = "service/checkout"


def ran(
    client: redis.Redis,
    *,
    minutes: int = 2,
    ago_s: int = 60,
    lease: str = "high_cpu/1",
    **more: Any,
) -> int:
    """Put a boost that has ended into the history. Return when it began, Redis ms."""
    seconds, micros = client.time()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    until_ms = (now_ms - ago_s * 1000) // 1000 * 1000
    since_ms = until_ms - minutes * MINUTE_MS
    told = {
        "id": lease,
        "kind": "boost",
        "profile": "cpu",
        "hz": 100,
        "since_ms": since_ms,
        "expires_at_ms": until_ms,
        "where": {},
        "because": {"rule": "high_cpu"},
        **more,
    }
    for at_ms, event in ((since_ms, "granted"), (until_ms + 5, "expired")):
        entry = {"at_ms": at_ms, "event": event, "reason": "for a test", "lease": told}
        client.xadd(Keys().history(TARGET), {"entry": json.dumps(entry)}, id=f"{at_ms * 1000}-0")
    client.zadd(Keys().targets, {TARGET: until_ms})
    return since_ms


async def asked(running: Running, **query: str) -> Any:
    return await running.ask("GET", "/api/v1/report", params={"of": TARGET} | query)


@pytest.mark.parametrize("kind", ["parca", "pyroscope"])
async def test_a_report_names_what_grew_and_by_how_much(start: Start, kind: str) -> None:
    async with start("backends: {parca: {url: 'http://127.0.0.1:1'}}") as running:
        since_ms = ran(running.redis, where={"deployment.environment.name": 'pro"d'})
        program = Program(since_ms, 100)
        with standing_in(program) as url:
            running.controller._in_force.now = _with(running, kind, url)
            report = (await asked(running)).body
    assert report["lease"] == "high_cpu/1"
    assert not report["problem"]
    changed = {(it["function"], it["kind"]): it for it in report["changes"]}
    grown = changed["parse", "self"]
    assert grown["difference"] == pytest.approx(0.2, abs=grown["half_width"])
    assert grown["before"]["half_width"] > grown["now"]["half_width"]
    assert ("main", "total") not in changed
    window, before = report["window"], report["before"]
    assert (window["samples"], before["samples"]) == (12_000, 2_280)
    # Parca answers with nanoseconds whatever it is asked for.
    achieved = [None, None] if kind == "parca" else [100.0, 19.0]
    assert [window["achieved_hz"], before["achieved_hz"]] == achieved
    assert before["until_ms"] == since_ms - 5 * MINUTE_MS
    assert report["tree"]["all"][2]["main"][2].keys() == {"parse", "render"}
    types = {type_ for type_, _ in program.asked}
    assert (
        types
        == {
            "parca": {"process_cpu:cpu:nanoseconds:cpu:nanoseconds:delta"},
            "pyroscope": {
                "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
                "process_cpu:samples:count:cpu:nanoseconds",
            },
        }[kind]
    )
    assert {labels for _, labels in program.asked} == {
        '{deployment_environment_name="pro\\"d",service_name="checkout"}'
    }


def _with(running: Running, kind: str, url: str) -> Any:
    entry = BackendsEntry.model_validate({kind: {"url": url}})
    return replace(running.controller._in_force.now, backend=entry.backend())


async def test_what_cannot_be_told_is_said_in_one_sentence(start: Start) -> None:
    async with start("sampling: {on_alert: []}") as running:
        ran(running.redis, ago_s=300)
        said = [await asked(running)]
        running.controller._in_force.now = _with(running, "parca", "http://user:secret@127.0.0.1:1")
        said += [
            await asked(running),
            await asked(running, of="service/chekcout"),
            await asked(running, of=""),
            await asked(running, against="25h"),
            await asked(running, against="never"),
        ]
        ran(running.redis, lease="alloc/2", profile="alloc", ago_s=30)
        said.append(await asked(running, of="alloc/2"))
    assert [it.status for it in said] == [409, 502, 404, 422, 422, 422, 409]
    texts = [it.body["detail"] for it in said]
    assert texts[0].startswith("no backend is set: upshift.yaml needs")
    assert texts[1] == "parca: cannot be reached"
    assert texts[2] == "the history has no boost of service/chekcout"
    assert texts[4] == "against must be 1d–30d, got 25h"
    assert "does not say how alloc is called there; known: cpu, wall" in texts[6]
    assert not any("secret" in json.dumps(it.body) for it in said)


async def test_a_backend_without_such_profiles_says_what_to_look_at(start: Start) -> None:
    async with start("sampling: {on_alert: []}") as running:
        ran(running.redis)
        with standing_in(lambda *_: None) as url:
            running.controller._in_force.now = _with(running, "parca", url)
            report = (await asked(running)).body
    assert report["changes"] == []
    assert "0 samples in 0 sub-windows" in report["problem"]
    assert report["advice"].endswith("do labels and profile types agree?")


@pytest.mark.parametrize("answer", [b"<html>", b"\x0a\xff\xff\xff", b"\x12\x02\x08\x07"])
async def test_a_backend_that_lies_costs_one_report(start: Start, answer: bytes) -> None:
    async with start("sampling: {on_alert: []}") as running:
        ran(running.redis)
        with standing_in(lambda *_: answer) as url:
            running.controller._in_force.now = _with(running, "pyroscope", url)
            refused = await asked(running)
        assert refused.status == 502
        assert (await running.ask("GET", "/-/healthy")).status == 200


async def test_two_who_ask_at_once_are_answered_by_one_look(start: Start) -> None:
    async with start("sampling: {on_alert: []}") as running:
        program = Program(ran(running.redis), 100)
        with standing_in(program) as url:
            running.controller._in_force.now = _with(running, "parca", url)
            first, second = await asyncio.gather(asked(running), asked(running))
            looks = len(program.asked)
            assert first.body == second.body
            await asked(running)
    assert len(program.asked) == looks == 24  # 12 sub-windows, twice


async def test_a_report_outlives_the_controller_and_the_backends_profiles(start: Start) -> None:
    async with start("sampling: {on_alert: []}") as running:
        with standing_in(Program(ran(running.redis), 100)) as url:
            running.controller._in_force.now = _with(running, "parca", url)
            first = (await asked(running)).body
    async with start("sampling: {on_alert: []}") as another:
        another.controller._in_force.now = _with(another, "parca", url)  # which is gone
        assert (await asked(another)).body == first
        assert (await asked(another, against="1d")).status == 502
        assert another.redis.ttl(Keys().evidence(TARGET)) > 29 * 24 * 3600
        another.redis.delete(Keys().evidence(TARGET))
        for garbage in (b"", b"\x00" * 50):
            another.redis.xadd(Keys().evidence(TARGET), {"report": garbage})
        assert (await asked(another)).status == 502
        another.redis.set(Keys().evidence(TARGET), "no stream")
        assert (await asked(another)).status == 502


async def test_a_boost_that_ends_is_reported_unasked(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upshift_controller.evidence.reporter.SETTLED_S", 0.0)
    monkeypatch.setattr("upshift_controller.evidence.reporter.SHORTEST_MS", 100)
    with standing_in(lambda *_: pprof({("main", "f"): 10**9})) as url:
        async with start(f"backends: {{pyroscope: {{url: '{url}'}}}}") as running:
            body = {"target": TARGET, "kind": "boost", "hz": 99, "duration": "1s"}
            granted = await running.ask("POST", "/api/v1/leases", json=body)
            lease = granted.body["outcome"]["lease"]
            async with asyncio.timeout(20):
                while not running.redis.exists(Keys().evidence(TARGET)):  # noqa: ASYNC110  # Redis tells of it
                    await asyncio.sleep(0.05)
            report = (await asked(running, of=lease)).body
            metrics = (await running.ask("GET", "/metrics")).body
    assert report["lease"] == lease
    assert 'upshift_reports_total{outcome="made"} 1.0' in metrics
