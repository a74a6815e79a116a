"""Promise 1 on the controller's side: what has expired is reverted, by whoever is there."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

from controller.conftest import Running, Start, alert
from servers import RedisServer, eventually
from upshift_agent.contract import Keys
from upshift_controller.storage.connect import Servers
from upshift_controller.storage.store import Store

KEYS = Keys()
SHORT = """
sampling:
  default: 19
  on_alert:
    - trigger: high_cpu
      frequency: 100
      duration: 1s
"""


async def until(running: Running, event: str, *, within_s: float = 10) -> dict[str, object]:
    """The newest entry of the history, once it is this event."""
    async with asyncio.timeout(within_s):
        while True:
            answer = await running.ask("GET", "/api/v1/history?target=service/checkout")
            if answer.body["entries"] and answer.body["entries"][0]["event"] == event:
                return dict(answer.body["entries"][0])
            await asyncio.sleep(0.02)


def planned(running: Running) -> list[object]:
    return list(json.loads(running.redis.get(KEYS.plan("service/checkout")))["leases"])


async def test_an_expired_boost_leaves_the_plan_within_a_second(start: Start) -> None:
    async with start(SHORT) as running:
        await running.notify(alert())
        assert len(planned(running)) == 1
        entry = await until(running, "expired")
        late_ms = entry["at_ms"] - entry["lease"]["expires_at_ms"]  # type: ignore[index,operator]
        assert 0 <= late_ms < 1000
        assert planned(running) == []


async def test_what_fell_due_while_no_controller_ran_is_reverted_at_the_start(
    start: Start,
) -> None:
    async with start(SHORT) as running:
        await running.notify(alert())
        redis = running.redis
        assert redis.zscore(KEYS.due, "service/checkout")
    await asyncio.sleep(1.1)  # the boost's own length: nothing can be asked meanwhile
    async with start(SHORT) as running:
        assert await running.history() == ["granted", "expired"]
        assert planned(running) == []
        assert running.redis.zcard(KEYS.due) == 0


async def test_a_lease_of_a_controller_that_died_is_reverted_by_another(start: Start) -> None:
    async with start(SHORT) as survivor:
        async with start(SHORT) as dying:
            await dying.notify(alert())
        await until(survivor, "expired", within_s=15)
        assert planned(survivor) == []


async def test_leases_that_end_one_after_the_other_are_each_reverted(start: Start) -> None:
    async with start(SHORT) as running:
        for seconds in (1, 2):
            body = {
                "target": "service/checkout", "kind": "cap", "hz": 1, "duration": f"{seconds}s",
            }  # fmt: skip
            assert (await running.ask("POST", "/api/v1/leases", json=body)).status == 201
        await asyncio.to_thread(eventually, lambda: not planned(running))
        assert await running.history() == ["granted", "granted", "expired", "expired"]


async def test_settle_never_loses_a_lease_that_was_granted_meanwhile(
    upshift: Running, valkey: RedisServer
) -> None:
    """A target is settled while others keep granting; the entry always covers the next expiry."""
    async with aclosing(Servers(valkey.url)) as servers:
        store = Store(servers, KEYS)

        async def grant(i: int) -> None:
            body = {
                "target": "service/checkout", "kind": "cap", "hz": 9, "duration": f"{900 - i}s",
            }  # fmt: skip
            assert (await upshift.ask("POST", "/api/v1/leases", json=body)).status == 201

        async def settle() -> None:
            for _ in range(100):
                await store.settle(["service/checkout"])

        await asyncio.gather(settle(), *(grant(i) for i in range(60)))
        state = (await store.read(["service/checkout"])).states["service/checkout"]
        assert len(state.leases) == 60
        assert upshift.redis.zscore(KEYS.due, "service/checkout") == state.next_expiry_ms
