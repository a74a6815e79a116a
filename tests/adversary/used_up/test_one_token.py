"""One token, however hostile: answers, log, memory and time on the loop stay bounded."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from aiohttp import web
from structlog.testing import capture_logs

from controller.conftest import (
    PRODUCTION,
    WEBHOOK,
    Answer,
    Running,
    Start,
    alert,
    notification,
    outcomes,
)
from controller.limiting import override
from upshift_agent.contract import shorten
from upshift_controller.runtime.slices import each
from upshift_controller.sources.alertmanager import payload as alertmanager
from upshift_controller.web import large, webhook

HEADERS = {"Content-Type": "application/json"}
REVERT = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 100, duration: 10m, on_resolved: revert}
"""
#: Far above what is measured, far below what a defect costs; the table has the figures.
BLOCKED_S = 1.0


async def post(upshift: Running, body: bytes, path: str = WEBHOOK) -> Answer:
    return await upshift.ask("POST", path, data=io.BytesIO(body), headers=HEADERS)


def body_of(elements: str) -> bytes:
    return f'{{"version": "4", "alerts": [{elements}]}}'.encode()


@asynccontextmanager
async def blocked() -> AsyncIterator[list[float]]:
    """How long this thread worked while nothing else was let in, at most. In seconds of its own:
    how long it has to wait for a processor is the machine's affair."""
    gaps = [0.0]

    async def watch() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            gaps[0] = max(gaps[0], time.thread_time() - before)

    task = asyncio.create_task(watch())
    try:
        yield gaps
    finally:
        task.cancel()


@pytest.mark.parametrize(
    "element", ["1", "{}", "[]", '""', '{"labels":{}}', '{"labels":{"a":"b"}}', "[[1,2]]", "1e9"]
)
async def test_four_mebibytes_of_what_is_no_alert_are_refused_or_summed_up(
    upshift: Running, element: str
) -> None:
    body = body_of(",".join([element] * (4 * 2**20 // (len(element) + 1))))
    async with blocked() as gaps:
        answer = await post(upshift, body)
    assert answer.status == 413
    assert gaps[0] < BLOCKED_S


@pytest.mark.parametrize("path", [WEBHOOK, "/api/v1/explain", "/api/v1/leases"])
async def test_a_body_is_let_go_with_its_answer_and_not_when_the_collector_comes(
    upshift: Running, path: str
) -> None:
    """It counts objects, not bytes: a thousand bodies of megabytes are few objects."""
    bodies = [
        body_of(",".join(["1"] * 1_500_000)),
        json.dumps(notification(alert(fingerprint="x" * 2**20))).encode(),
        b"[" * 2**20,
    ]

    def kept() -> int:
        requests = [it for it in gc.get_objects() if isinstance(it, web.Request)]
        return sum(len(it._read_bytes or b"") >= 2**20 for it in requests)

    gc.collect()
    before = kept()
    gc.disable()
    try:
        for _ in range(3):
            for body in bodies:
                await post(upshift, body, path)
        # The connection may know its last one until the next comes.
        assert kept() <= before + 1
    finally:
        gc.enable()


async def test_as_many_bad_alerts_as_are_read_leave_a_short_answer_and_a_short_log(
    upshift: Running,
) -> None:
    bad = ",".join(["1"] * alertmanager.MAX_ALERTS)
    structlog.reset_defaults()
    with capture_logs() as lines:
        async with blocked() as gaps:
            answer = await post(upshift, body_of(bad))
    assert answer.status == 200
    assert answer.body["counts"] == {"invalid": alertmanager.MAX_ALERTS}
    assert len(answer.body["alerts"]) == webhook.MAX_SHOWN
    assert answer.body["not_shown"] == alertmanager.MAX_ALERTS - webhook.MAX_SHOWN
    assert len(json.dumps(answer.body)) < 1_000_000
    assert len(lines) == webhook.MAX_WARNINGS + 1
    assert gaps[0] < BLOCKED_S


async def test_a_large_group_of_real_alerts_is_let_in_whole_and_in_slices(
    upshift: Running,
) -> None:
    instances = [alert(PRODUCTION | {"instance": f"i{n}"}, fingerprint=f"{n}") for n in range(3000)]
    async with blocked() as gaps:
        answer = await upshift.notify(*instances)
    assert answer.body["counts"].get("granted") == 1
    assert sum(answer.body["counts"].values()) == 3000
    assert gaps[0] < BLOCKED_S


async def test_what_fires_goes_first_in_a_body_of_several_parts_too(start: Start) -> None:
    async with start(REVERT) as upshift:
        await upshift.notify(alert(fingerprint="a"))
        many = [alert({"alertname": "Nothing"}, fingerprint=f"{n}") for n in range(700)]
        resolved = alert(fingerprint="a", status="resolved")
        answer = await upshift.notify(resolved, *many, alert(fingerprint="b"))
        assert outcomes(answer)[0] == "resolved"
        assert "reverted" not in await upshift.history()


async def test_a_viewer_is_explained_a_hundred_alerts_at_once_and_no_more(
    upshift: Running,
) -> None:
    many = [alert(fingerprint=f"{n}") for n in range(alertmanager.MAX_EXAMPLES + 1)]
    few = await post(upshift, json.dumps(many[1:]).encode(), "/api/v1/explain")
    assert (few.status, len(few.body["alerts"])) == (200, alertmanager.MAX_EXAMPLES)
    assert all(it["rules"] for it in few.body["alerts"])
    assert (await post(upshift, json.dumps(many).encode(), "/api/v1/explain")).status == 413


async def test_labels_too_large_to_be_matched_are_an_alert_that_cannot_be_read(
    upshift: Running,
) -> None:
    large = alert(PRODUCTION | {"note": "x" * (alertmanager.MAX_LABELS + 1)})
    answer = await post(upshift, json.dumps(notification(large)).encode())
    assert outcomes(answer) == ["invalid"]
    assert len(answer.body["alerts"][0]["outcomes"][0]["reason"]) < 200


async def test_large_bodies_of_one_caller_are_read_two_at_a_time(
    upshift: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "WAIT_S", 0.2)
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"version": "4", "alerts": ['
        await go_on.wait()
        yield b"]}"

    async def post_slowly() -> int:
        async with upshift.client.post(WEBHOOK, data=slowly(), headers=HEADERS) as answer:
            return answer.status

    posts = {asyncio.create_task(post_slowly()) for _ in range(large.TOGETHER + 1)}
    try:
        done, others = await asyncio.wait(posts, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert [it.result() for it in done] == [503]
        assert (await override(upshift, target="fleet", kind="cap", hz=0)).status == 201
    finally:
        go_on.set()
    assert await asyncio.gather(*others) == [200] * large.TOGETHER
    assert await post_slowly() == 200


def test_a_body_with_faults_is_not_remembered() -> None:
    body = body_of(",".join(["1"] * 5000))
    alertmanager.parse_notification(body)
    assert alertmanager.remembered(body) is None
    good = json.dumps(notification(alert())).encode()
    alertmanager.parse_notification(good)
    assert alertmanager.remembered(good) is not None


def test_of_a_large_value_only_the_beginning_is_looked_at() -> None:
    class Endless(list[Any]):
        def __iter__(self) -> Any:
            raise AssertionError("all of it was looked at")

    assert shorten(Endless([1] * 1_000_000)).endswith("…")
    assert shorten({"a": [["deep"]]}) == "{'a': [Ellipsis]}"
    assert shorten({str(n): n for n in range(100_000)}).endswith("…")


async def test_long_work_lets_others_in_and_keeps_its_order() -> None:
    seen = 0

    async def other() -> None:
        nonlocal seen
        while True:
            seen += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    made = await each(lambda it: (time.sleep(0.001), it)[1], range(30))
    task.cancel()
    assert made == list(range(30))
    assert seen >= 3
