"""The Redis side of an agent: hear plans, read snapshots, write the status.

Subscribe, then read: whatever is committed after the subscription is pushed, whatever came before
is in the snapshot, so nothing falls between. Every loss of a connection ends the session, and the
next one begins the same way. All of it runs on the agent's own event loop, over two connections.

In a cluster both lead to the server that holds the agent's first target. What is on other servers
(the fleet's plan) is read over short connections, and less often: pushes reach every server.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline, PubSub
from redis.exceptions import AskError, RedisError, ResponseError

from ..contract import FLEET, STATUS_INTERVAL_S, Keys
from ..runtime.complaints import Complaints, harmless
from ..runtime.elapsed import elapsed_s
from ..runtime.log import log
from ..runtime.loop import until_one_fails
from .connect import NOT_HERE, Servers, reading

RESYNC_S = 30.0  # between snapshots, about
PAUSE_S = 0.2  # between snapshots at least, whatever is pushed
VISIT_S = 300.0  # between looks at other servers of a cluster: all agents look at the fleet's
TIMEOUT_S = 5.0  # for connecting, and for any answer
PING_S = 10.0  # silence on the subscription before it is asked whether it lives
LONGEST_BACKOFF_S = 3.0
LASTING_S = 10.0  # a session that ends sooner was part of the outage before it
SETTLE_S = 0.02  # a quick driver's "applying" and "applied" go out as one report
AGENTS_TTL_S = 24 * 60 * 60
FAREWELL_S = 0.2


class Subscription:
    """Follows `targets`, and reports under the first of them.

    hear(target, message): a plan was pushed.
    read(plans, redis_ms, sent_ms, received_ms): a snapshot; the plans that exist, by target.
        `sent_ms` and `received_ms` are of `elapsed_s`, in milliseconds.
    report(): the status to write now: its field, its JSON, and Redis time in milliseconds.
    """

    def __init__(
        self,
        url: str,
        keys: Keys,
        targets: Sequence[str],
        *,
        hear: Callable[[str, bytes], None],
        read: Callable[[dict[str, bytes], float, float, float], None],
        report: Callable[[], tuple[str, str, int]],
    ) -> None:
        self._servers = Servers(url)
        self._keys = keys
        self._targets = tuple(targets)
        self._home = self._targets[0]
        self._channels = {keys.changes(target).encode(): target for target in targets}
        self._agents = keys.agents(self._home)
        self._server = self._servers.shown
        self._hear, self._read, self._report = hear, read, report
        self._resync = asyncio.Event()
        self._ready = asyncio.Event()
        self._dirty = asyncio.Event()
        self._turn = asyncio.Lock()
        self._visit_at = 0.0
        self._client: Redis | None = None
        self._outage = self._outage_logged = False
        self._complaints = Complaints()

    @property
    def connected(self) -> bool:
        """Whether a snapshot came, and nothing has been lost since."""
        return self._ready.is_set()

    def read_soon(self) -> None:
        """Read plans and time without waiting for the interval."""
        self._resync.set()

    def report_soon(self) -> None:
        self._dirty.set()

    async def run(self) -> None:
        """Follow for ever. An outage is logged when it begins and when it ends, never between."""
        failures = 0
        while True:
            began = elapsed_s()
            try:
                await self._session()
            except (Exception, asyncio.CancelledError) as error:  # whatever it was, begin afresh
                if isinstance(error, asyncio.CancelledError) and _ending():
                    raise
                lasted = self.connected and elapsed_s() - began > LASTING_S
                failures = 0 if lasted else min(failures + 1, 10)
                self._lost(error, first=lasted)
            self._resync.clear()
            self._ready.clear()
            longest = min(LONGEST_BACKOFF_S, 0.1 * 2**failures)
            await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311  # only jitter

    async def farewell(self) -> None:
        """Take the status back, if that can be done at once."""
        if self._client is not None and self.connected:
            with contextlib.suppress(RedisError, OSError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._turn.acquire()  # for good: no report may follow
                    await self._client.hdel(self._agents, self._report()[0])

    async def _session(self) -> None:
        home = self._servers.holding(self._keys.plan(self._home), TIMEOUT_S)
        async with home as client:
            self._client = client
            targets = self._targets if self._servers.sharded else [self._home]
            try:
                await until_one_fails(
                    read=self._keep_reading(client),
                    report=self._keep_reporting(client),
                    **{f"listen {it}": self._listen(it) for it in targets if it != FLEET},
                )
            finally:
                self._client = None

    async def _listen(self, target: str) -> None:
        """Hear the plans of `target` and of the fleet; of all targets, where one server has all."""
        key = self._keys.plan(target)
        async with self._servers.holding(key, TIMEOUT_S) as client, client.pubsub() as pubsub:
            async with asyncio.timeout(TIMEOUT_S):
                if self._servers.sharded:
                    await pubsub.subscribe(self._keys.changes(FLEET))
                    # Not every redis-py from 6.2 on has a method for it.
                    await pubsub.execute_command("SSUBSCRIBE", self._keys.changes(target))
                else:
                    await pubsub.subscribe(*self._channels)
            line = Line()
            await until_one_fails(hear=self._hear_all(pubsub, line), ask=_keep_asking(pubsub, line))

    async def _hear_all(self, pubsub: PubSub, line: Line) -> None:
        async for message in pubsub.listen():
            line.heard_at = elapsed_s()
            if message["type"] in ("message", "smessage"):
                self._hear(self._channels[message["channel"]], message["data"])
            elif message["type"] in ("subscribe", "ssubscribe"):
                self._visit_at = 0.0
                self._resync.set()
            elif message["type"] == "sunsubscribe":
                raise ConnectionError("the target has moved to another server")

    async def _keep_reading(self, client: Redis) -> None:
        await self._resync.wait()
        # Connecting takes its time, which is no part of how long an answer to TIME was under way.
        first = client.pipeline(transaction=False)
        first.time()
        await self._execute(first)
        while True:
            self._resync.clear()
            await self._snapshot(client)
            await asyncio.sleep(PAUSE_S)
            await _wait(self._resync, _about(RESYNC_S))

    async def _snapshot(self, client: Redis) -> None:
        pipeline = client.pipeline(transaction=False)
        for target in self._targets:
            pipeline.get(self._keys.plan(target))
        pipeline.time()
        sent_ms = elapsed_s() * 1000
        *answers, now = await self._execute(pipeline, raise_on_error=False)
        received_ms = elapsed_s() * 1000
        plans = {}
        elsewhere = []
        for target, answer in zip(self._targets, answers, strict=True):
            if isinstance(answer, NOT_HERE):
                if target == self._home or not self._servers.sharded:
                    raise answer
                elsewhere.append(target)
            elif isinstance(answer, AskError):
                pass  # its slot is on the move: no news until it has arrived
            elif isinstance(answer, ResponseError):
                self._complaints.make(
                    f"{self._server} does not give the plan of {target}: {harmless(answer)}"
                )
            elif isinstance(answer, Exception):  # it is still loading its data, for one
                raise answer
            elif answer is not None:
                plans[target] = answer
            # A missing key is no news: a server that has lost its data ends nobody's lease.
        if isinstance(now, Exception):
            raise now
        redis_ms = now[0] * 1000 + now[1] / 1000
        self._read(plans, redis_ms, sent_ms, received_ms)
        if self._servers.sharded and elapsed_s() >= self._visit_at:
            self._visit_at = elapsed_s() + _about(VISIT_S)
            if plans := await self._visit(elsewhere, redis_ms):
                self._read(plans, redis_ms, sent_ms, received_ms)
        self._found()

    async def _visit(self, targets: Sequence[str], redis_ms: float) -> dict[str, bytes]:
        """Read the plans that other servers hold. One that is away is visited with the next read:
        it must not keep the agent from what its own server says."""
        plans: dict[str, bytes] = {}
        try:
            for target in targets:
                plan = await self._servers.run(reading(self._keys.plan(target)))
                if plan is not None:
                    plans[target] = plan
            listed = {self._home: int(redis_ms)}
            await self._servers.run(lambda it: it.zadd(self._keys.reporting, listed))
        except (RedisError, OSError) as error:
            self._visit_at = 0.0
            self._complaints.make(
                f"another server of {self._server} does not answer: {harmless(error)}"
            )
        return plans

    async def _keep_reporting(self, client: Redis) -> None:
        await self._ready.wait()
        while True:
            self._dirty.clear()
            field, status, redis_ms = self._report()
            pipeline = client.pipeline(transaction=False)
            pipeline.hset(self._agents, field, status)
            pipeline.expire(self._agents, AGENTS_TTL_S)
            if not self._servers.sharded:  # else it is on another server: see _visit
                pipeline.zadd(self._keys.reporting, {self._home: redis_ms})
            try:
                await self._execute(pipeline)
            except NOT_HERE:
                raise
            except ResponseError as error:  # no permission, no memory: plans are followed anyway
                self._complaints.make(
                    f"{self._server} does not take this agent's status: {harmless(error)}"
                )
            await _wait(self._dirty, STATUS_INTERVAL_S)
            await asyncio.sleep(SETTLE_S)

    async def _execute(self, pipeline: Pipeline, *, raise_on_error: bool = True) -> list[Any]:
        """One at a time, so that one connection will do."""
        async with self._turn, asyncio.timeout(TIMEOUT_S):
            answers: list[Any] = await pipeline.execute(raise_on_error)
        return answers

    def _found(self) -> None:
        self._ready.set()
        if self._outage:
            self._outage = False
            log.info("following plans from %s again", self._server)

    def _lost(self, error: BaseException, *, first: bool) -> None:
        self._outage = True
        if self._outage_logged and not first:
            return
        self._outage_logged = True
        log.warning(
            "no connection to %s (%s: %s); leases held run to their end, then the baseline "
            "applies; trying again until it is back",
            self._server,
            type(error).__name__,
            harmless(error),
        )


class Line:
    """When a subscription's connection was last heard, of `elapsed_s()`."""

    def __init__(self) -> None:
        self.heard_at = elapsed_s()


async def _keep_asking(pubsub: PubSub, line: Line) -> None:
    """Ask a silent server whether it lives. Raise `TimeoutError` if it does not answer."""
    while True:
        silent_s = elapsed_s() - line.heard_at
        if silent_s < PING_S:
            await asyncio.sleep(PING_S - silent_s)
            continue
        asked_at = elapsed_s()
        await pubsub.ping()
        await asyncio.sleep(TIMEOUT_S)
        if line.heard_at < asked_at:
            raise TimeoutError("the subscription does not answer")


def _ending() -> bool:
    """Whether somebody has asked this task to end; libraries cancel what is theirs."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _about(seconds: float) -> float:
    """± a fifth, so that a fleet does not act in step."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  # only jitter


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
