"""Keys that Redis has evicted, or that somebody deleted: nobody who starts later misses a lease."""

from __future__ import annotations

import pytest

from controller.conftest import PRODUCTION, UNLIMITED, Running, Start, alert
from servers import RedisServer
from upshift_agent.contract import FLEET, Keys, decode_plan
from upshift_controller.storage.keeping import mended
from upshift_rules.leases.state import TargetState

KEYS = Keys()
HOME = "service/checkout"
CAP = {"target": FLEET, "kind": "cap", "hz": 0, "duration": "24h"}


def planned(running: Running, target: str) -> list[str]:
    stored = running.redis.get(KEYS.plan(target))
    return [lease.kind for lease in decode_plan(stored).leases] if stored else []


@pytest.mark.parametrize("lost", ["plan", "state", "due"])
async def test_what_is_left_of_a_target_brings_back_what_was_lost(start: Start, lost: str) -> None:
    async with start() as running:
        assert (await running.ask("POST", "/api/v1/leases", json=CAP)).status == 201
        await running.notify(alert())
        for target in (FLEET, HOME):
            key = KEYS.due if lost == "due" else getattr(KEYS, lost)(target)
            running.redis.delete(key)
        await running.controller.schedule.sweep()
        assert planned(running, FLEET) == ["cap"]
        assert planned(running, HOME) == ["boost"]
        held = [it["kind"] for it in await running.leases(HOME)]  # the fleet's bind it too
        assert sorted(held) == ["boost", "cap"]
        assert running.redis.zcard(KEYS.due) == 2


async def test_a_state_lost_in_the_midst_of_a_sweep_is_not_replaced_by_a_baseline(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start() as running:
        assert (await running.ask("POST", "/api/v1/leases", json=CAP)).status == 201
        look_after = running.controller.keeping.look_after

        async def and_then_lost() -> None:
            await look_after()
            running.redis.delete(KEYS.state(FLEET))

        with monkeypatch.context() as patch:
            patch.setattr(running.controller.keeping, "look_after", and_then_lost)
            await running.controller.schedule.sweep()
        assert planned(running, FLEET) == ["cap"]
        await running.controller.schedule.sweep()
        assert planned(running, FLEET) == ["cap"]
        assert [it["kind"] for it in await running.leases(FLEET)] == ["cap"]


@pytest.mark.parametrize("left", [None, b"\xff\xfe", b"{}"])
@pytest.mark.parametrize("target", [FLEET, HOME])
async def test_a_change_to_a_target_whose_state_is_lost_keeps_what_its_plan_says(
    start: Start, target: str, left: bytes | None
) -> None:
    """Before any sweep has looked, by the controller that made it and by one that knows nothing."""
    for _ in range(2):
        async with start() as running:
            await running.ask("POST", "/api/v1/leases", json=CAP | {"target": target})
            for _ in range(2):
                caps = len(planned(running, target))
                running.redis.delete(KEYS.state(target))
                if left is not None:
                    running.redis.set(KEYS.state(target), left)
                body = CAP | {"target": target, "kind": "boost", "hz": 99, "duration": "1m"}
                answer = await running.ask("POST", "/api/v1/leases", json=body)
                assert answer.status == 201
                assert len(planned(running, target)) == caps + 1
                assert planned(running, target)[0] == "cap"


@pytest.mark.parametrize("plan", [b"\xff", b'{"leases":[{', b'{"v":1,"leases":[{}]}', b"[" * 999])
async def test_a_plan_that_cannot_be_read_keeps_no_change_waiting(
    start: Start, plan: bytes
) -> None:
    async with start() as running:
        for target in (FLEET, HOME):
            running.redis.delete(KEYS.state(target))
            running.redis.set(KEYS.plan(target), plan)
            answer = await running.ask("POST", "/api/v1/leases", json=CAP | {"target": target})
            assert answer.status == 201
            assert planned(running, target) == ["cap"]


async def test_a_plan_that_is_there_is_left_alone(start: Start) -> None:
    async with start() as running:
        await running.notify(alert())
        before = running.redis.get(KEYS.plan(HOME))
        for _ in range(3):
            await running.controller.schedule.sweep()
        assert running.redis.get(KEYS.plan(HOME)) == before


async def test_each_of_many_targets_has_its_turn(start: Start) -> None:
    async with start(UNLIMITED) as running:
        names = [f"slow-{number}" for number in range(500)]
        for at in range(0, 500, 100):
            await running.notify(
                *(
                    alert(PRODUCTION | {"service_name": name}, fingerprint=name)
                    for name in names[at : at + 100]
                )
            )
        for name in names:
            running.redis.delete(KEYS.plan(f"service/{name}"))
        for _ in range(5):
            await running.controller.schedule.sweep()
        assert all(planned(running, f"service/{name}") == ["boost"] for name in names)


async def test_a_redis_that_may_evict_is_warned_of(
    start: Start, valkey: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with valkey.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    async with start():
        pass
    said = capsys.readouterr()
    assert "maxmemory-policy" in said.out + said.err


def test_nothing_is_made_of_nothing() -> None:
    assert mended(TargetState(target=HOME), None, 1) is None
