"""Commands for any keys, gathered: what goes to one server is one round trip.

Which servers there are is `connect`'s business.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.crc import key_slot
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..errors import Unavailable

log = structlog.get_logger()

#: A frozen Redis is noticed after this many seconds, the webhook has to answer within 5; and what
#: each command of a batch may take besides.
ANSWER_S = 2.0
COMMAND_S = 0.001
#: How long an answer is looked for at the very end.
LOOK_S = 0.05
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


@contextmanager
def guarded() -> Iterator[None]:
    """Whatever goes wrong with Redis inside leaves as `Unavailable`."""
    try:
        yield
    except (NoPermissionError, AuthenticationError) as error:
        raise Unavailable(
            f"Redis refuses this user ({error}); a controller needs the rights that the user "
            "upshift-controller of deploy/redis/users.acl has"
        ) from error
    except (RedisError, OSError, TimeoutError) as error:
        # Servers before Redis 6 repeat a login that they do not understand.
        said = str(error).partition(", with args beginning with")[0]
        raise Unavailable(f"Redis is not answering: {said or type(error).__name__}") from error


@dataclass(frozen=True, slots=True)
class Shard:
    """A server and the first and last slot of a range that it holds."""

    first: int
    last: int
    client: Redis


class Replicas:
    """Which primaries have replicas that answer, and so how long a commit waits for one."""

    def __init__(self) -> None:
        self._alone: set[Redis] = set()

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

    def forget(self, client: Redis) -> None:
        self._alone.discard(client)


class Batch:
    """Commands for any keys: `batch.on(key).get(key)`, one command for each `on`.

    replicas: None where there are none to wait for. moved: called where an answer says that the
    servers are others by now.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        *,
        sharded: bool,
        replicas: Replicas | None,
        moved: Callable[[Sequence[Shard]], None],
    ) -> None:
        self._shards = shards
        self.sharded = sharded
        self._replicas = replicas
        self._moved = moved
        self._firsts = [shard.first for shard in shards]
        self._stages: list[_Stage] = [_Stage({})]
        self._order: list[tuple[Pipeline, int]] = []

    def on(self, key: str) -> Pipeline:
        shard = self._shards[bisect_right(self._firsts, key_slot(key.encode())) - 1]
        pipe = self._pipe(shard.client)
        self._order.append((pipe, len(pipe)))
        return pipe

    def everywhere(self) -> list[Pipeline]:
        """For each server one, for commands whose answers nobody needs."""
        return [self._pipe(client) for client in {shard.client for shard in self._shards}]

    def _pipe(self, client: Redis) -> Pipeline:
        pipes = self._stages[-1].pipes
        if client not in pipes:
            pipes[client] = client.pipeline(transaction=False)
        return pipes[client]

    def then(self, *, regardless: bool = False) -> None:
        """Send what follows only after the answers to what was added so far.

        With several servers it is not sent at all if any of that failed, unless `regardless`.
        """
        if self.sharded:
            self._stages.append(_Stage({}, regardless))

    def await_replicas(self) -> None:
        """Wait, before the answers, until a replica has what was written, where there are any."""
        if self._replicas is not None:
            for client, pipe in self._stages[-1].pipes.items():
                self._stages[-1].waits.append((client, pipe, len(pipe)))
                pipe.execute_command("WAIT", 1, self._replicas.patience_ms(client))

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
                problem = problem or next((row for row in rows if isinstance(row, Exception)), None)
            for client, pipe, position in stage.waits:
                acknowledged = answers[pipe][position]
                if self._replicas is not None and isinstance(acknowledged, int):
                    self._replicas.acknowledged(client, acknowledged)
        everything = [
            answers[pipe][position] if pipe in answers else problem
            for pipe, position in self._order
        ]
        if any(isinstance(answer, _MOVED) for answer in everything):
            self._moved(self._shards)
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
    for result in found:
        if isinstance(result, BaseException):
            raise result
        results.append(result)
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
