"""The Redis side of a follower: hear plans, read snapshots, write statuses.

Subscribe, then read: whatever is committed after the subscription is pushed, whatever came before
is in the snapshot, so nothing falls between. Every loss of a connection ends the session, and the
next one begins the same way. A target that comes later is subscribed to, and then read, meanwhile.

In a cluster both lead to the server that holds one of them, the home. What is on other servers
(the fleet's plan) is read over short connections, and less often: pushes reach every server.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import AskError, RedisError, ResponseError

from ..contract import Keys
from ..runtime.complaints import Complaints, harmless
from ..runtime.elapsed import elapsed_s
from ..runtime.log import log
from ..runtime.loop import until_one_fails
from . import timing
from .connect import NOT_HERE, Servers, adding, reading
from .listening import Listening
from .reporting import Reporter, Reports


class Subscription:
    """Follows the targets that it is told of, and writes statuses.

    home: in a cluster, the target whose server is followed and reported to.
    hear(target, message): a plan was pushed.
    read(plans, redis_ms, sent_ms, received_ms): the plans that exist, by target, and when they were
        read, in milliseconds; the last two of `elapsed_s`.
    """

    def __init__(
        self,
        url: str,
        keys: Keys,
        home: str,
        *,
        hear: Callable[[str, bytes], None],
        read: Callable[[dict[str, bytes], float, float, float], None],
    ) -> None:
        self._servers = Servers(url)
        self._keys = keys
        self._home = home
        self._targets: tuple[str, ...] = ()
        self._server = self._servers.shown
        self._read = read
        self._listening = Listening(self._servers, keys, hear=hear, confirmed=self._confirm)
        self.reports = Reports(keys, sharded=self._servers.sharded, unlisted=self.read_soon)
        self._resync = asyncio.Event()
        self._ready = asyncio.Event()
        self._confirmed: set[str] = set()
        self._current: set[str] = set()
        self._turn = asyncio.Lock()
        self._visit_at = 0.0
        self._client: Redis | None = None
        self._outage = self._outage_logged = False
        self._complaints = Complaints()

    def follow(self, targets: Iterable[str]) -> None:
        """These, from now on, and no others."""
        self._targets = tuple(targets)
        self._listening.follow(self._targets)
        self._confirmed.intersection_update(self._targets)
        self._current.intersection_update(self._targets)

    def follows(self, targets: Iterable[str]) -> bool:
        """Whether a snapshot of `targets` came, and nothing has been lost since."""
        return self._ready.is_set() and self._current.issuperset(targets)

    def read_soon(self) -> None:
        """Read plans and time without waiting for the interval."""
        self._resync.set()

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
                lasted = self._ready.is_set() and elapsed_s() - began > timing.LASTING_S
                failures = 0 if lasted else min(failures + 1, 10)
                self._lost(error, first=lasted)
            self._resync.clear()
            self._ready.clear()
            self._confirmed.clear()
            self._current.clear()
            longest = min(timing.LONGEST_BACKOFF_S, 0.1 * 2**failures)
            await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311  # only jitter

    async def farewell(self, reporter: Reporter) -> None:
        """Take a status back, if that can be done at once. No further one is written."""
        self.reports.leave(reporter)
        if self._client is not None and self._ready.is_set():
            taking = asyncio.create_task(self._take_back(self._client, reporter))
            # It goes on where others need the connection: breaking it off would end their session.
            await asyncio.wait([taking], timeout=timing.FAREWELL_S)

    async def _take_back(self, client: Redis, reporter: Reporter) -> None:
        with contextlib.suppress(RedisError, OSError):
            async with self._turn, asyncio.timeout(timing.TIMEOUT_S):
                if self._client is client:
                    await client.hdel(self._keys.agents(reporter.home), reporter.field)

    async def _session(self) -> None:
        home = self._servers.holding(self._keys.plan(self._home), timing.TIMEOUT_S)
        async with home as client:
            self._client = client
            try:
                await until_one_fails(
                    read=self._keep_reading(client),
                    report=self._keep_reporting(client),
                    listen=self._listening.run(),
                )
            finally:
                self._client = None

    def _confirm(self, target: str) -> None:
        self._confirmed.add(target)
        self._visit_at = 0.0
        self._resync.set()

    async def _keep_reading(self, client: Redis) -> None:
        await self._resync.wait()
        # Connecting takes its time, which is no part of how long an answer to TIME was under way.
        first = client.pipeline(transaction=False)
        first.time()
        await self._execute(first)
        while True:
            self._resync.clear()
            await self._snapshot(client)
            await asyncio.sleep(timing.PAUSE_S)
            await timing.wait(self._resync, timing.about(timing.RESYNC_S))

    async def _snapshot(self, client: Redis) -> None:
        pipeline = client.pipeline(transaction=False)
        targets, confirmed = self._targets, set(self._confirmed)
        for target in targets:
            pipeline.get(self._keys.plan(target))
        pipeline.time()
        sent_ms = elapsed_s() * 1000
        *answers, now = await self._execute(pipeline, raise_on_error=False)
        received_ms = elapsed_s() * 1000
        plans, elsewhere = {}, []
        for target, answer in zip(targets, answers, strict=True):
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
        if self._servers.sharded and (self.reports.unlisted or elapsed_s() >= self._visit_at):
            self._visit_at = elapsed_s() + timing.about(timing.VISIT_S)
            if plans := await self._visit(elsewhere, redis_ms):
                self._read(plans, redis_ms, sent_ms, received_ms)
        self._current |= confirmed.intersection(self._targets)
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
            for key, members in self.reports.kept_elsewhere(self._home, int(redis_ms)):
                await self._servers.run(adding(key, members))
        except (RedisError, OSError) as error:
            self._visit_at = 0.0
            self._complaints.make(
                f"another server of {self._server} does not answer: {harmless(error)}"
            )
        return plans

    async def _keep_reporting(self, client: Redis) -> None:
        await self._ready.wait()
        await self.reports.keep_writing(partial(self._write, client))

    async def _write(self, client: Redis, fill: Callable[[Pipeline], None]) -> None:
        pipeline = client.pipeline(transaction=False)
        fill(pipeline)
        try:
            await self._execute(pipeline)
        except NOT_HERE:
            raise
        except ResponseError as error:  # no permission, no memory: plans are followed anyway
            self._complaints.make(
                f"{self._server} does not take this agent's status: {harmless(error)}"
            )

    async def _execute(self, pipeline: Pipeline, *, raise_on_error: bool = True) -> list[Any]:
        """One at a time, so that one connection will do."""
        async with self._turn, asyncio.timeout(timing.TIMEOUT_S):
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


def _ending() -> bool:
    """Whether somebody has asked this task to end; libraries cancel what is theirs."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
