"""`/-/ready` is 200 only while a commit would go through, and no flood of questions uses it up."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from controller.conftest import Running
from upshift_controller.leasing import committer
from upshift_controller.runtime.supervised import supervised
from upshift_controller.web import health

CAP = {"target": "fleet", "kind": "cap", "hz": 0, "duration": "10m"}


@pytest.fixture(autouse=True)
def always_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CACHED_S", 0.0)


async def ready(running: Running) -> int:
    return (await running.ask("GET", "/-/ready")).status


async def test_a_redis_that_takes_no_writes_is_not_ready(upshift: Running) -> None:
    assert await ready(upshift) == 200
    upshift.redis.replicaof("127.0.0.1", "1")  # type: ignore[arg-type]  # a port, as text
    try:
        assert await ready(upshift) == 503
        assert (await upshift.notify()).status == 503
    finally:
        upshift.redis.replicaof("NO", "ONE")  # type: ignore[arg-type]
    assert await ready(upshift) == 200


async def test_a_redis_without_memory_is_not_ready(upshift: Running) -> None:
    upshift.redis.config_set("maxmemory", "1")
    try:
        answer = await upshift.ask("GET", "/-/ready")
        assert answer.status == 503
        assert "maxmemory" in answer.body["detail"]
        assert "upshift_ready 0.0" in (await upshift.ask("GET", "/metrics")).body
    finally:
        upshift.redis.config_set("maxmemory", "0")
    assert await ready(upshift) == 200
    assert (await upshift.notify()).status == 200


@pytest.mark.parametrize("right", ["-zadd", "-xadd", "-publish", "-evalsha", "-set"])
async def test_a_user_who_may_not_commit_is_not_ready(upshift: Running, right: str) -> None:
    upshift.redis.execute_command("ACL", "SETUSER", "default", right)
    try:
        assert await ready(upshift) == 503
    finally:
        upshift.redis.execute_command("ACL", "SETUSER", "default", "+@all")
    assert await ready(upshift) == 200


async def test_300_who_ask_at_once_are_one_look(
    upshift: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CACHED_S", 60.0)
    looks = 0
    probe = upshift.controller.committer.probe

    async def counted() -> None:
        nonlocal looks
        looks += 1
        await probe()

    monkeypatch.setattr(upshift.controller.readiness, "_probe", counted)
    upshift.controller.readiness._until = 0.0
    assert set(await asyncio.gather(*(ready(upshift) for _ in range(300)))) == {200}
    assert looks == 1


async def test_a_committer_that_is_killed_is_started_again(upshift: Running) -> None:
    (task,) = [it for it in asyncio.all_tasks() if it.get_name() == "committer"]
    task.cancel()  # by nobody who may
    await asyncio.wait([task])
    assert (await upshift.notify()).status == 200
    assert await ready(upshift) == 200
    metrics = (await upshift.ask("GET", "/metrics")).body
    assert 'upshift_task_restarts_total{task="committer"} 1.0' in metrics


async def test_a_lane_that_hangs_is_started_again_and_no_other_waits_for_it(
    upshift: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No round trip to Redis can, each has its bound: whatever else there may be."""
    store, once = upshift.controller.store, asyncio.Event()
    commit = store.commit

    async def hangs(*arguments: Any) -> Any:
        if once.is_set():
            return await commit(*arguments)
        once.set()
        for _ in range(2):  # the first cancellation is lost, as in Python 3.11's `wait_for`
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        raise asyncio.CancelledError

    monkeypatch.setattr(committer, "HUNG_S", 1.0)
    monkeypatch.setattr(store, "commit", hangs)
    hung = asyncio.create_task(upshift.notify())
    await once.wait()
    assert (await upshift.ask("POST", "/api/v1/leases", json=CAP)).status == 201
    assert (await hung).status == 503
    assert await ready(upshift) == 200
    assert (await upshift.notify()).status == 200
    metrics = (await upshift.ask("GET", "/metrics")).body
    assert 'upshift_task_restarts_total{task="committer"} 1.0' in metrics


async def test_who_fails_to_hear_of_a_commit_does_not_change_its_answer(
    upshift: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(upshift.controller.committer, "_committed", raises)
    monkeypatch.setattr(upshift.controller.committer, "_took", raises)
    assert (await upshift.notify()).body["counts"] == {"granted": 1}
    assert await ready(upshift) == 200


async def test_a_task_that_ends_by_itself_is_started_again() -> None:
    runs, again = 0, asyncio.Event()
    told: list[str] = []

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            again.set()
            await asyncio.Event().wait()
        if runs == 2:
            raise RuntimeError("a defect")

    async with supervised("work", work, told.append), asyncio.timeout(5):
        await again.wait()
    assert told == ["work", "work"]
