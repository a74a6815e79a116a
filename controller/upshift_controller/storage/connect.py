"""Connections to Redis: one server, the primary that sentinels name, or the shards of a cluster.

Nothing else knows the topology. Where servers are is asked when it is not known, and forgotten
whenever an answer says that it has changed. The SDK has its own way (`upshift_agent.following`):
an agent follows one server at a time and asks anew for each session, and what both know of
addresses is in `upshift_agent.contract.address`, which may do no I/O.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ClusterDownError, RedisError

from upshift_agent.contract import Keys
from upshift_agent.contract.address import Address, Host, parse_address
from upshift_agent.contract.errors import ConfigurationError

from ..errors import StartRefused
from .batch import ANSWER_S, Batch, Replicas, Shard

#: How long a sentinel or a node is asked who serves what, and how many are, one after the other.
ASK_S = 1.0
ASK_HOSTS = 5

T = TypeVar("T")


class Servers:
    """The servers behind a `--redis` URL. Raise `StartRefused` for a URL that cannot be used."""

    def __init__(self, url: str) -> None:
        try:
            self._address = parse_address(url)
            some = self._address.hosts
            ConnectionPool.from_url(self._address.url_of(some[0]) if some else self._address.url)
        except ConfigurationError as error:
            raise StartRefused(f"redis must be a URL that can be used: {error}") from error
        except ValueError as error:
            raise StartRefused(
                "redis must be a URL that can be used: an option is wrong"
            ) from error
        #: Whether targets may be on different servers.
        self.sharded = self._address.kind == "cluster"
        self._clients: dict[str, Redis] = {}
        self._shards: Sequence[Shard] = ()
        self._hosts: Sequence[Host] = self._address.hosts
        self._finding = asyncio.Lock()
        self._replicas = None if self._address.kind == "single" else Replicas()

    async def batch(self) -> Batch:
        async with self._finding:
            if not self._shards:
                self._shards = await self._find()
        return Batch(
            self._shards, sharded=self.sharded, replicas=self._replicas, moved=self._forget
        )

    async def primaries(self) -> Sequence[Redis]:
        """Each server that holds keys, once."""
        async with self._finding:
            if not self._shards:
                self._shards = await self._find()
        return [*dict.fromkeys(shard.client for shard in self._shards)]

    def _forget(self, shards: Sequence[Shard]) -> None:
        """Look for the servers again before the next batch, unless that has been done since."""
        if self._address.kind != "single" and self._shards is shards:
            self._shards = ()

    async def aclose(self) -> None:
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))

    async def _find(self) -> Sequence[Shard]:
        kind, address = self._address.kind, self._address
        if kind == "single":
            return [self._shard(0, 2**14 - 1, address.url)]
        if kind == "sentinel":
            host = await _first(self._hosts, partial(_primary, address))
            found = [(0, 2**14 - 1, host)]
        else:
            found = await _first(self._hosts, partial(_slots, address))
            self._hosts = list({*address.hosts, *(host for _, _, host in found)})
        shards = [self._shard(first, last, address.url_of(host)) for first, last, host in found]
        await self._rest({*self._clients.values()} - {shard.client for shard in shards})
        return shards

    def _shard(self, first: int, last: int, url: str) -> Shard:
        if url not in self._clients:
            self._clients[url] = Redis.from_url(
                url,
                socket_timeout=None,  # once for a batch, see `batch`: for each answer it costs more
                socket_connect_timeout=ANSWER_S,
                # Fails fast, retrying is Alertmanager's task and the committer's. Once more at
                # once, for a connection that the server has closed since.
                retry=Retry(NoBackoff(), 1),
                client_name="upshift-controller",
            )
        return Shard(first, last, self._clients[url])

    async def _rest(self, clients: Iterable[Redis]) -> None:
        """Let go of servers that are not asked any more. Their clients stay: a batch may be about
        to use one, and the servers may come back."""
        for client in clients:
            if self._replicas is not None:
                self._replicas.forget(client)
            await client.connection_pool.disconnect(inuse_connections=False)


async def now_us(servers: Servers, keys: Keys) -> int:
    """Redis time in µs, of the server that holds `due`: the clocks of two servers differ."""
    batch = await servers.batch()
    batch.on(keys.due).time()
    ((seconds, micros),) = await batch.execute()
    return int(seconds * 1_000_000 + micros)


async def _first(hosts: Sequence[Host], ask: Callable[[Host], Awaitable[T]]) -> T:
    """The first good answer of any of `hosts`; the last error where there is none."""
    problem: Exception = AssertionError("an address without hosts")
    for host in random.sample(hosts, min(ASK_HOSTS, len(hosts))):
        try:
            return await ask(host)
        except (RedisError, OSError) as error:
            problem = error
    raise problem


async def _primary(address: Address, sentinel: Host) -> Host:
    url = address.url_of(sentinel, sentinel=True)
    command = "SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.name
    try:
        found = await _ask(url, *command, anonymous=True)
    except AuthenticationError:  # most sentinels have no password, this one has
        found = await _ask(url, *command)
    if found is None:
        raise RedisError(f"the sentinels know no primary called {address.name!r}")
    return found[0].decode(), int(found[1])


async def _slots(address: Address, node: Host) -> list[tuple[int, int, Host]]:
    """First slot, last slot and primary of each range, in order."""
    rows = await _ask(address.url_of(node), "CLUSTER", "SLOTS")
    if not rows:
        raise ClusterDownError("no slot of the cluster is served")
    return sorted(
        # A node that does not know how it is reached says nothing: it is the one that was asked.
        (first, last, (primary[0].decode() if primary[0] else node[0], primary[1]))
        for first, last, primary, *_ in rows
    )


async def _ask(url: str, *command: str, anonymous: bool = False) -> Any:
    client = Redis.from_url(
        url,
        protocol=2,  # one form of answers, whatever redis-py prefers
        socket_timeout=ASK_S,
        socket_connect_timeout=ASK_S,
        retry=Retry(NoBackoff(), 0),
    )
    if anonymous:
        client.connection_pool.connection_kwargs.update(username=None, password=None)
    async with client:
        # In two words, or redis-py would read the answer, differently in each of its versions.
        return await client.execute_command(*command)  # type: ignore[no-untyped-call]
