"""The Redis side of an agent: hear plans, read snapshots, write the status.

Subscribe, then read: whatever is committed after the subscription is pushed, whatever came before
is in the snapshot, so nothing falls between. Every loss of a connection ends the session, and the
next one begins the same way. All of it runs on the agent's own event loop, over two connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline, PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from .complaints import Complaints, harmless
from .loop import end
from .wire import STATUS_INTERVAL_S, Keys

log = logging.getLogger("upshift_agent")

RESYNC_S = 30.0  # ± a fifth, so that a fleet does not read in step
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
        `sent_ms` and `received_ms` are of `time.monotonic()`.
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
        self._url = url
        self._keys = keys
        self._targets = tuple(targets)
        self._channels = {keys.changes(target).encode(): target for target in targets}
        self._agents = keys.agents(self._targets[0])
        self._server = _address(url)
        self._hear, self._read, self._report = hear, read, report
        self._resync = asyncio.Event()
        self._ready = asyncio.Event()
        self._dirty = asyncio.Event()
        self._turn = asyncio.Lock()
        self._client: Redis | None = None
        self._outage = self._outage_logged = False
        self._complaints = Complaints()

    @property
    def connected(self) -> bool:
        """Whether a snapshot came, and nothing has been lost since."""
        return self._ready.is_set()

    def report_soon(self) -> None:
        self._dirty.set()

    async def run(self) -> None:
        """Follow for ever. An outage is logged when it begins and when it ends, never between."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._session()
            except Exception as error:  # noqa: BLE001  # whatever it was, begin afresh
                lasted = self.connected and time.monotonic() - began > LASTING_S
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
        self._client = client = Redis.from_url(
            self._url,
            protocol=2,  # pushes have a connection of their own, so any server will do
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            max_connections=2,
            # Trying again is the business of run(), also once and at once.
            retry=Retry(NoBackoff(), 0, supported_errors=()),
        )
        pubsub = client.pubsub()
        tasks = [
            asyncio.create_task(self._keep_reading(client), name="upshift-read"),
            asyncio.create_task(self._keep_reporting(client), name="upshift-report"),
            asyncio.create_task(self._listen(pubsub), name="upshift-listen"),
        ]
        try:
            # None of them ends but by a failure, and one failure ends the session.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._client = None
            await end(*tasks)
            await pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py left it untyped
            await client.aclose()

    async def _listen(self, pubsub: PubSub) -> None:
        await pubsub.subscribe(*self._channels)
        asked = False
        while True:
            message = await pubsub.get_message(timeout=TIMEOUT_S if asked else PING_S)
            if message is not None:
                asked = False
                if message["type"] == "subscribe":
                    self._resync.set()
                elif message["type"] == "message":
                    self._hear(self._channels[message["channel"]], message["data"])
            elif asked:
                raise TimeoutError("the subscription does not answer")
            else:
                await pubsub.ping()
                asked = True

    async def _keep_reading(self, client: Redis) -> None:
        await self._resync.wait()
        while True:
            self._resync.clear()
            await self._snapshot(client)
            await _wait(self._resync, RESYNC_S * random.uniform(0.8, 1.2))  # noqa: S311  # jitter

    async def _snapshot(self, client: Redis) -> None:
        pipeline = client.pipeline(transaction=False)
        for target in self._targets:
            pipeline.get(self._keys.plan(target))
        pipeline.time()
        sent_ms = time.monotonic() * 1000
        *answers, now = await self._execute(pipeline, raise_on_error=False)
        received_ms = time.monotonic() * 1000
        plans = {}
        for target, answer in zip(self._targets, answers, strict=True):
            if isinstance(answer, ResponseError):
                self._complaints.make(
                    f"{self._server} does not give the plan of {target}: {answer}"
                )
            elif isinstance(answer, Exception):  # it is still loading its data, for one
                raise answer
            elif answer is not None:
                plans[target] = answer
            # A missing key is no news: a server that has lost its data ends nobody's lease.
        if isinstance(now, Exception):
            raise now
        self._read(plans, now[0] * 1000 + now[1] / 1000, sent_ms, received_ms)
        self._found()

    async def _keep_reporting(self, client: Redis) -> None:
        await self._ready.wait()
        while True:
            self._dirty.clear()
            field, status, redis_ms = self._report()
            pipeline = client.pipeline(transaction=False)
            pipeline.hset(self._agents, field, status)
            pipeline.expire(self._agents, AGENTS_TTL_S)
            pipeline.zadd(self._keys.reporting, {self._targets[0]: redis_ms})
            try:
                await self._execute(pipeline)
            except ResponseError as error:  # no permission, no memory: plans are followed anyway
                self._complaints.make(
                    f"{self._server} does not take this agent's status: {harmless(error)}"
                )
            await _wait(self._dirty, STATUS_INTERVAL_S)
            await asyncio.sleep(SETTLE_S)

    async def _execute(self, pipeline: Pipeline, *, raise_on_error: bool = True) -> list[Any]:
        """One at a time, so that one connection will do."""
        async with self._turn:
            answers: list[Any] = await pipeline.execute(raise_on_error)
        return answers

    def _found(self) -> None:
        self._ready.set()
        if self._outage:
            self._outage = False
            log.info("following plans from %s again", self._server)

    def _lost(self, error: Exception, *, first: bool) -> None:
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


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


def _address(url: str) -> str:
    """The server of a URL, without the password that it may hold."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else parts.netloc.rpartition("@")[2]
