"""Find the server that holds an agent's keys, wherever it is now. Nothing else knows the topology.

Nothing is kept of what was found: each session asks anew. So a promoted replica and a slot that
has moved are found by the same few lines as the first server.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from ..contract.address import Host, parse_address

#: Answers of a server that is not the one any more.
NOT_HERE = (MovedError, ReadOnlyError, ClusterDownError)
#: How long one server is asked where to go, before the next one is.
ASK_S = 2.0
_MAX_MOVES = 5
_MAX_REMEMBERED = 32

T = TypeVar("T")


class Servers:
    """One agent's way to Redis."""

    def __init__(self, url: str) -> None:
        self._address = parse_address(url)
        self.shown = self._address.shown
        #: Whether targets may be on different servers.
        self.sharded = self._address.kind == "cluster"
        #: Nodes of the cluster that others have pointed to; those of the URL may all be gone.
        self._remembered: dict[Host, None] = {}

    @asynccontextmanager
    async def holding(self, key: str, timeout_s: float) -> AsyncIterator[Redis]:
        """A client, with one connection, of the server that holds `key` (of a string).

        timeout_s: for connecting. How long an answer may take is the caller's business: redis-py
        would arm a timer for every read, and some of its versions take silence for a fault.
        """
        if self._address.kind == "single":
            url = self._address.url
        elif self._address.kind == "sentinel":
            url = self._address.url_of(await self._any(self._primary))
        else:
            host, _ = await self._any(lambda node: self._follow(node, reading(key)))
            url = self._address.url_of(host)
        async with _client(url, timeout_s, socket_timeout=None) as client:
            yield client

    async def run(self, command: Callable[[Redis], Awaitable[T]]) -> T | None:
        """One command on any server of a cluster, over a connection that lasts no longer."""
        _, answer = await self._any(lambda node: self._follow(node, command))
        return answer

    async def _any(self, ask: Callable[[Host], Awaitable[T]]) -> T:
        hosts = list({*self._address.hosts, *self._remembered})
        random.shuffle(hosts)
        problem: Exception = AssertionError("an address without hosts")
        for host in hosts:
            try:
                return await ask(host)
            except (RedisError, OSError) as error:  # OSError: TimeoutError too
                if isinstance(error, ResponseError) and not isinstance(error, NOT_HERE):
                    raise  # the right one has refused it
                problem = error
        raise problem

    async def _primary(self, sentinel: Host) -> Host:
        url = self._address.url_of(sentinel, sentinel=True)
        async with _client(url, ASK_S, username=None, password=None) as client:
            try:
                found = await self._ask(client)
            except AuthenticationError:  # most sentinels have no password, this one has
                async with _client(url, ASK_S) as known:
                    found = await self._ask(known)
        if found is None:
            raise RedisError(f"the sentinels know no primary called {self._address.name!r}")
        host, port = found
        return host.decode(), int(port)

    async def _ask(self, sentinel: Redis) -> tuple[bytes, bytes] | None:
        # In two words, or redis-py would read the answer, differently in each of its versions.
        # It has no types for that.
        command = "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.name
        answer: tuple[bytes, bytes] | None
        answer = await sentinel.execute_command(*command)  # type: ignore[no-untyped-call]
        return answer

    async def _follow(
        self, node: Host, command: Callable[[Redis], Awaitable[T]]
    ) -> tuple[Host, T | None]:
        """Any node knows who holds a key, and says so when it is sent a command for it."""
        for _ in range(_MAX_MOVES):
            async with _client(self._address.url_of(node), ASK_S) as client:
                try:
                    return node, await command(client)
                except MovedError as moved:
                    node = moved.host or node[0], moved.port
                    self._remember(node)
                except AskError:  # its slot is on the move, and still here
                    return node, None
        raise RedisError("the nodes of the cluster point to one another")

    def _remember(self, node: Host) -> None:
        self._remembered.pop(node, None)
        self._remembered[node] = None
        if len(self._remembered) > _MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]


def reading(key: str) -> Callable[[Redis], Awaitable[bytes | None]]:
    """The command that reads a string."""

    async def get(client: Redis) -> bytes | None:
        answer: bytes | None = await client.get(key)  # type: ignore[assignment]  # undecoded
        return answer

    return get


def adding(key: str, members: Mapping[str, int]) -> Callable[[Redis], Awaitable[None]]:
    """The command that adds to a sorted set."""

    async def zadd(client: Redis) -> None:
        await client.zadd(key, dict(members))

    return zadd


@asynccontextmanager
async def _client(url: str, timeout_s: float, **connection: Any) -> AsyncIterator[Redis]:
    """A client with one connection, which is closed at the end.

    connection: redis-py's options of connections that go before what the URL says.
    """
    pool = _Pool.from_url(
        url,
        protocol=2,  # pushes have a connection of their own, so any server will do
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        max_connections=1,
        # Trying again is the business of the subscription, also once and at once.
        retry=Retry(NoBackoff(), 0, supported_errors=()),
    )
    pool.connection_kwargs.update(connection)
    try:
        yield Redis(connection_pool=pool)
    finally:
        for made in pool.made:
            await made.disconnect(nowait=True)  # which nothing can break off


class _Pool(ConnectionPool):
    """Knows all that it has made: redis-py can lose a connection while a task is cancelled."""

    made: list[AbstractConnection]

    def __init__(self, *options: Any, **more: Any) -> None:
        self.made = []
        super().__init__(*options, **more)

    def make_connection(self) -> AbstractConnection:
        connection: AbstractConnection = super().make_connection()  # type: ignore[no-untyped-call]  # redis-py gives it no types
        self.made.append(connection)
        return connection
