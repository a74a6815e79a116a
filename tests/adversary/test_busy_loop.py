"""A controller that was kept busy does not take its own slowness for Redis's silence."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from servers import RedisServer
from upshift_controller.storage import batch as batches
from upshift_controller.storage.connect import Servers


async def test_an_answer_that_came_while_the_loop_was_busy_counts(
    valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with aclosing(Servers(valkey.url)) as servers:
        for patience_s in (batches.ANSWER_S, 0.1):  # the first time it connects
            monkeypatch.setattr(batches, "ANSWER_S", patience_s)
            batch = await servers.batch()
            batch.on("a").get("a")
            answers = asyncio.create_task(batch.execute())
            await asyncio.sleep(0)  # it is sent
            if patience_s < 1:
                time.sleep(2 * patience_s)  # noqa: ASYNC251  # this is the attack
            assert await answers == [None]


async def test_a_redis_that_is_silent_is_noticed_all_the_same(
    valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "ANSWER_S", 0.1)
    async with aclosing(Servers(valkey.url)) as servers:
        batch = await servers.batch()
        batch.on("a").blpop("a", 1)
        with pytest.raises(TimeoutError, match=r"no answer within 0\.1 s"):
            await batch.execute()
