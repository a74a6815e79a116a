"""Every key of a namespace, looked for and deleted, on every server that holds some.

It needs no key to know another: what an older or a newer Upshift has left goes as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from upshift_agent.contract import Keys

from ..errors import Unavailable
from .batch import ANSWER_S, guarded
from .connect import Servers, now_us

#: An agent that has not reported for so long is taken to be gone; it does so every 15 s.
SILENT_MS = 45_000
#: Keys that a server looks at before it answers.
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Found:
    """controllers: connections of theirs to these servers, for whatever namespace; None: this user
    may not see them."""

    keys: int
    agents: int
    controllers: int | None

    @property
    def is_in_use(self) -> bool:
        return bool(self.agents or self.controllers)

    @property
    def in_use(self) -> str:
        seen = (
            "controllers cannot be seen by this user"
            if self.controllers is None
            else f"controllers' connections: {self.controllers}"
        )
        return f"agents that live: {self.agents}, {seen}"


async def look(servers: Servers, keys: Keys) -> Found:
    """Raise `Unavailable` where a server does not answer, or not this user."""
    with _guarded():
        primaries = await servers.primaries()
        controllers = await _controllers(primaries[0])  # each is connected to every one
        count = 0
        for server in primaries:
            async for found in _found(server, keys):
                count += len(found)
        return Found(count, await _agents(servers, keys), controllers)


async def remove(servers: Servers, keys: Keys) -> int:
    """Delete them; return how many there were. Raise `Unavailable` where a server does not answer:
    some may be gone, and the next call finds the rest."""
    gone = 0
    with _guarded():
        for server in await servers.primaries():
            async for found in _found(server, keys):
                # One for each: they are of many slots.
                pipeline = server.pipeline(transaction=False)
                for key in found:
                    pipeline.unlink(key)
                async with asyncio.timeout(ANSWER_S):
                    gone += sum(await pipeline.execute())
    return gone


@contextmanager
def _guarded() -> Iterator[None]:
    with guarded():
        try:
            yield
        except NoPermissionError as error:
            raise Unavailable(
                f"Redis refuses this user ({error}); a purge takes SCAN and UNLINK of every key of "
                "the namespace, as the user admin of deploy/redis/users.acl has"
            ) from error


async def _found(server: Redis, keys: Keys) -> AsyncIterator[list[bytes]]:
    cursor = 0
    while True:
        async with asyncio.timeout(ANSWER_S):
            # A namespace has nothing in it that a pattern would take otherwise.
            answer: Any = await server.scan(cursor, f"{keys.namespace}:v1:*", _AT_ONCE)
        cursor, found = answer
        if found:
            yield [*dict.fromkeys(found)]
        if not cursor:
            return


async def _controllers(server: Redis) -> int | None:
    async with asyncio.timeout(ANSWER_S), server.client() as connection:
        mine = await connection.client_id()
        try:
            clients = await connection.client_list()
        except NoPermissionError:
            return None
    return sum(it["name"] == "upshift-controller" and it["id"] != str(mine) for it in clients)


async def _agents(servers: Servers, keys: Keys) -> int:
    since_ms = await now_us(servers, keys) // 1000 - SILENT_MS
    batch = await servers.batch()
    batch.on(keys.reporting).zrangebyscore(keys.reporting, since_ms, "+inf")
    ((*targets,),) = await batch.execute()
    if not targets:
        return 0
    batch = await servers.batch()
    for target in targets:
        statuses = keys.agents(target.decode(errors="replace"))
        batch.on(statuses).hlen(statuses)
    return sum(await batch.execute())
