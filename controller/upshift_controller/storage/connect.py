"""Connections to Redis: one server, the primary that sentinels name, or the shards of a cluster.

Nothing else knows the topology. Commands are gathered in a `Batch`; each goes to the server that
holds its key, and what goes to one server is one round trip. Where servers are is asked when it
is not known, and forgotten whenever an answer says that it has changed.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from upshift_agent.contract.address import Address, Host, parse_address
from upshift_agent.contract.errors import ConfigurationError

from ..errors import StartRefused

log = structlog.get_logger()

#: A frozen Redis is noticed after this many seconds, the webhook has to answer within 5; and what
#: each command of a batch may take besides.
ANSWER_S = 2.0
COMMAND_S = 0.001
#: How long an answer is looked for at the very end.
LOOK_S = 0.05
#: How long a sentinel or a node is asked who serves what, and how many are, one after the other.
ASK_S = 1.0
ASK_HOSTS = 5
#: How long a commit waits for a replica to have it, before it counts without.
REPLICA_MS = 1000
#: And while no replica answers: long enough to notice that one does again.
REPLICA_PROBE_MS = 1

#: These say that a server is away, or is not the one any more.
_MOVED = (
    RedisConnectionError,
    RedisTimeoutError,
    OSError,
    MovedError,
    ReadOnlyError,
    ClusterDownError,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Shard:
    """A server and the first and last slot of a range that it holds."""

    first: int
    last: int
    client: Redis


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
        self.replicated = self._address.kind != "single"
        self._clients: dict[str, Redis] = {}
        self._shards: Sequence[_Shard] = ()
        self._hosts: Sequence[Host] = self._address.hosts
        self._finding = asyncio.Lock()
        self._alone: set[Redis] = set()

    async def batch(self) -> Batch:
        async with self._finding:
            if not self._shards:
                self._shards = await self._find()
        return Batch(self, self._shards)

    def forget(self, shards: Sequence[_Shard]) -> None:
        """Look for the servers again before the next batch, unless that has been done since."""
        if self.replicated and self._shards is shards:
            self._shards = ()

    async def aclose(self) -> None:
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))

    def patience_ms(self, client: Redis) -> int:
        return REPLICA_PROBE_MS if client in self._alone else REPLICA_MS

    def acknowledged(self, client: Redis, replicas: int) -> None:
        """Take note of how many replicas have what was just committed."""
        if not replicas and client not in self._alone:
            self._alone.add(client)
            log.warning("no replica has the commits; they are lost if their primary is")
        elif replicas and client in self._alone:
            self._alone.remove(client)
            log.info("a replica has the commits again")

    async def _find(self) -> Sequence[_Shard]:
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

    def _shard(self, first: int, last: int, url: str) -> _Shard:
        if url not in self._clients:
            self._clients[url] = Redis.from_url(
                url,
                socket_timeout=None,  # once for a batch, see `_run`: for each answer it costs more
                socket_connect_timeout=ANSWER_S,
                # Fails fast, retrying is Alertmanager's task and the committer's. Once more at
                # once, for a connection that the server has closed since.
                retry=Retry(NoBackoff(), 1),
                client_name="upshift-controller",
            )
        return _Shard(first, last, self._clients[url])

    async def _rest(self, clients: Iterable[Redis]) -> None:
        """Let go of servers that are not asked any more. Their clients stay: a batch may be about
        to use one, and the servers may come back."""
        for client in clients:
            self._alone.discard(client)
            await client.connection_pool.disconnect(inuse_connections=False)


class Batch:
    """Commands for any keys: `batch.on(key).get(key)`, one command for each `on`."""

    def __init__(self, servers: Servers, shards: Sequence[_Shard]) -> None:
        self._servers = servers
        self.sharded = servers.sharded
        self._shards = shards
        self._firsts = [shard.first for shard in shards]
        self._stages: list[_Stage] = [_Stage({})]
        self._order: list[tuple[Pipeline, int]] = []

    def on(self, key: str) -> Pipeline:
        shard = self._shards[bisect_right(self._firsts, key_slot(key.encode())) - 1]
        pipes = self._stages[-1].pipes
        if shard.client not in pipes:
            pipes[shard.client] = shard.client.pipeline(transaction=False)
        pipe = pipes[shard.client]
        self._order.append((pipe, len(pipe)))
        return pipe

    def then(self, *, regardless: bool = False) -> None:
        """Send what follows only after the answers to what was added so far.

        With several servers it is not sent at all if any of that failed, unless `regardless`.
        """
        if self.sharded:
            self._stages.append(_Stage({}, regardless))

    def await_replicas(self) -> None:
        """Wait, before the answers, until a replica has what was written, where there are any."""
        if self._servers.replicated:
            for client, pipe in self._stages[-1].pipes.items():
                self._stages[-1].waits.append((client, pipe, len(pipe)))
                pipe.execute_command("WAIT", 1, self._servers.patience_ms(client))

    async def execute(self, *, raise_on_error: bool = True) -> list[Any]:
        """Return the answers, in order of the commands. Raise the first error, or return errors."""
        answers: dict[Pipeline, Sequence[Any]] = {}
        problem: Exception | None = None
        for stage in self._stages:
            if problem is not None and not stage.regardless:
                break
            pipes = list(stage.pipes.values())
            for pipe, rows in zip(pipes, await together(*map(_run, pipes)), strict=True):
                answers[pipe] = rows
                problem = problem or next((it for it in rows if isinstance(it, Exception)), None)
            for client, pipe, position in stage.waits:
                if isinstance(acknowledged := answers[pipe][position], int):
                    self._servers.acknowledged(client, acknowledged)
        everything = [
            answers[pipe][position] if pipe in answers else problem
            for pipe, position in self._order
        ]
        if any(isinstance(answer, _MOVED) for answer in everything):
            self._servers.forget(self._shards)
        if problem is not None and raise_on_error:
            raise problem
        return everything


class _Stage:
    """Pipelines that may be under way at the same time."""

    def __init__(self, pipes: dict[Redis, Pipeline], regardless: bool = False) -> None:
        self.pipes = pipes
        self.regardless = regardless
        self.waits: list[tuple[Redis, Pipeline, int]] = []


async def together(*work: Coroutine[Any, Any, T]) -> list[T]:
    """Return the results of coroutines that run side by side; raise the first error after all."""
    if len(work) == 1:
        return [await work[0]]
    found = await asyncio.gather(*work, return_exceptions=True)
    results = []
    for it in found:
        if isinstance(it, BaseException):
            raise it
        results.append(it)
    return results


async def _run(pipe: Pipeline) -> Sequence[Any]:
    commands = len(pipe)
    patience_s = ANSWER_S + COMMAND_S * commands
    loop = asyncio.get_running_loop()
    timeout = asyncio.timeout(None)
    # The answer may be there, and this process have been too busy to look.
    last_look = loop.call_later(patience_s, lambda: timeout.reschedule(loop.time() + LOOK_S))
    try:
        async with timeout:
            answers: list[Any] = await pipe.execute(raise_on_error=False)
    except TimeoutError:
        return [TimeoutError(f"no answer within {patience_s:.1f} s")] * commands
    except (RedisError, OSError) as error:
        return [error] * commands
    finally:
        last_look.cancel()
    return answers


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
