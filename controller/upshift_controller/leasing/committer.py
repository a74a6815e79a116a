"""Recall or read → transition → commit, for every cause, batched.

What is remembered of a target is mostly right, so mostly the commit is the only round trip; it
says what is right where a guess was wrong, and the change is made anew from that.
Requests that arrive while a batch is on its way to Redis form the next one: a lone request waits
for nothing, and under load the round trips are shared. There is a lane for each cause, and none
waits for another: a flood of alerts keeps no operator waiting. In a lane, a target's changes are
applied in order of arrival, so that they never conflict; those of other lanes, and of other
controllers, may, and are retried.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

import structlog

from upshift_rules.leases.changes import Change, Entry
from upshift_rules.leases.state import TargetState
from upshift_rules.leases.transition import revised

from ..errors import Unavailable
from ..runtime.supervised import end
from .limiter import Limiter
from .ports import Snapshot, States, Write
from .requests import PATIENCE_S, Outcomes, Queue, Request, fail, hand_out

log = structlog.get_logger()

#: Requests waiting at the same time, about a second's worth; more are sent away with 503 and come
#: back. A longer queue would only make those in it wait past their patience.
MAX_WAITING = 500
#: Each attempt lost means that another controller has made progress on the same target.
MAX_ATTEMPTS = 50
#: A batch takes no longer, unless something hangs: each round trip has its bound, and whoever asked
#: for it has given up long before.
HUNG_S = 30.0

T = TypeVar("T")
Lane = Literal["alerts", "ends", "operators"]


@dataclass(frozen=True, slots=True)
class Committed:
    """One target's change, as it was stored."""

    state: TargetState
    entries: Sequence[Entry]
    now_ms: int


class Committer:
    """Makes every change of a target: batches requests, commits them, retries what conflicted.

    committed: called once for each commit, in order, on the event loop.
    """

    def __init__(
        self,
        states: States,
        limiter: Limiter,
        *,
        committed: Callable[[Committed], None],
        conflicted: Callable[[int], None] = lambda _: None,
        took: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._states = states
        self._limiter = limiter
        self._committed = committed
        self._conflicted = conflicted
        self._took = took
        self._queues: Mapping[Lane, Queue] = {lane: Queue() for lane in get_args(Lane)}

    async def apply(
        self,
        changes: Mapping[str, Sequence[Change]],
        lane: Lane,
        made: Callable[[str], None] | None = None,
    ) -> Outcomes:
        """Commit `changes` (target → changes) and return their outcomes, in the same order.

        A target without changes is looked at all the same: what has expired there ends.
        lane: whose request it is. made: is told each target that had no state before.
        Raise `Unavailable` when Redis does not answer in time. Then nothing is known for sure,
        and asking again is safe: an episode that got its boost gets no other.
        """
        if not changes:
            return {}
        request = Request(changes, asyncio.get_running_loop().create_future(), made)
        if lane == "alerts":
            self.check_room()
        self._queues[lane].waiting.append(request)
        return await self._answer(lane, request)

    async def _answer(self, lane: Lane, request: Request) -> Outcomes:
        self._queues[lane].wake.set()
        # Cheaper than `asyncio.timeout`, which every alert would pay for.
        patience = asyncio.get_running_loop().call_later(PATIENCE_S, request.give_up)
        try:
            return await request.done
        finally:
            patience.cancel()

    async def probe(self) -> None:
        """Raise `Unavailable` unless a commit would go through: each lane serves, and one commit
        is tried, over the connections of all, on keys that nobody reads."""
        answers = []
        for lane, queue in self._queues.items():
            done: asyncio.Future[Outcomes] = asyncio.get_running_loop().create_future()
            probe = self._states.probe if lane == "operators" else None
            queue.waiting.appendleft(request := Request({}, done, probe=probe))
            answers.append(self._answer(lane, request))
        await asyncio.gather(*answers)

    def check_room(self) -> None:
        """Raise `Unavailable` when too many alerts wait already; to ask early costs least.

        Under too much load the refusals must be cheap, or they leave no time for anything else.
        """
        if len(self._queues["alerts"].waiting) >= MAX_WAITING:
            raise Unavailable(f"{MAX_WAITING} requests are waiting already", retry_after_s=2)

    async def preview(self, changes: Mapping[str, Sequence[Change]]) -> tuple[Snapshot, Outcomes]:
        """What `apply` would answer now. Nothing is written."""
        snapshot = await self._states.read(changes)
        steps = await self._limiter.steps(snapshot, changes, reserve=False)
        return snapshot, {target: step.outcomes for target, step in steps.items()}

    async def run(self) -> None:
        """Serve requests until cancelled, or until a lane hangs."""
        lanes = {
            lane: asyncio.create_task(self._serve(queue), name=f"lane of {lane}")
            for lane, queue in self._queues.items()
        }
        watch = asyncio.create_task(self._watch(lanes), name="watch over lanes")
        try:
            # Each time that this is cancelled, so are they; and it, when one of them is.
            await asyncio.gather(*lanes.values(), watch)
        finally:
            for task in (*lanes.values(), watch):
                await end(task)

    async def _watch(self, lanes: Mapping[Lane, asyncio.Task[None]]) -> None:
        while True:
            await asyncio.sleep(HUNG_S / 10)
            for lane, queue in self._queues.items():
                if time.monotonic() - queue.busy_since > HUNG_S:
                    log.error("a lane of commits hangs, all of them are begun anew", lane=lane)
                    await end(lanes[lane])

    async def _serve(self, queue: Queue) -> None:
        queue.busy_since = math.inf
        while True:
            while queue.waiting:
                batch = queue.next_batch()
                queue.busy_since = time.monotonic()
                try:
                    await self._commit(batch)
                except Unavailable as error:
                    fail(batch, error)
                except Exception as error:  # a defect of ours must not stop all later requests
                    log.exception("commit failed")
                    fail(batch, error)
                queue.busy_since = math.inf
            # Last, for what waits already when this begins anew.
            await queue.wake.wait()
            queue.wake.clear()

    async def _commit(self, batch: Sequence[Request]) -> None:
        if probes := [request for request in batch if not request.changes]:
            for request in probes:
                await request.try_probe()
            batch = [request for request in batch if request.changes]
        started = time.perf_counter()
        pending: dict[str, list[Request]] = {}
        for request in batch:
            for target in request.changes:
                pending.setdefault(target, []).append(request)
        if not pending:
            return
        snapshot = await self._look(pending)
        alone: set[str] | None = set()
        for _ in range(MAX_ATTEMPTS):
            if not pending:
                _tell(self._took, time.perf_counter() - started)
                return
            snapshot = await self._attempt(snapshot, pending, alone)
            alone = None
            pending = {target: pending[target] for target in snapshot.states}
        raise Unavailable(f"other controllers keep changing {', '.join(sorted(pending)[:3])}")

    async def _look(self, pending: Mapping[str, list[Request]]) -> Snapshot:
        # A reservation made for a guess that is wrong might take another boost's place.
        guess = self._limiter.from_memory(_wanted(pending).items()) and self._states.recall(pending)
        return guess or await self._states.read(pending)

    async def _attempt(
        self, snapshot: Snapshot, pending: Mapping[str, list[Request]], alone: set[str] | None
    ) -> Snapshot:
        """Try once, from `snapshot`; return what met another state, with that state.

        alone: as `Limiter.steps` has it. Who has met an agent there asks.
        """
        changes = _wanted(pending)
        steps = await self._limiter.steps(snapshot, changes, alone=alone)
        writes: list[Write] = []
        unchanged: dict[str, TargetState] = {}
        for target, step in steps.items():
            before = snapshot.states[target]
            if step.state is not before or step.entries:
                after = revised(before, step.state, snapshot.now_us)
                assumed = alone is not None and target in alone
                writes.append(Write(before, after, step.entries, snapshot.now_us, assumed))
            elif not snapshot.certain:
                unchanged[target] = before
        met = await self._states.commit(writes, replace(snapshot, states=unchanged))
        if snapshot.certain:
            _tell(self._conflicted, len(met.states))
        took = [write for write in writes if write.after.target not in met.states]
        for write in took:
            _tell(self._committed, Committed(write.after, write.entries, write.now_ms))
            if not write.before.rev:
                for request in pending[write.after.target]:
                    if request.made:
                        _tell(request.made, write.after.target)
        await self._limiter.settle(took)
        for target, requests in pending.items():
            if target not in met.states:
                hand_out(target, requests, steps[target].outcomes)
        return met


def _wanted(pending: Mapping[str, Sequence[Request]]) -> dict[str, list[Change]]:
    return {
        target: [change for request in requests for change in request.changes[target]]
        for target, requests in pending.items()
    }


def _tell(hear: Callable[[T], object], what: T) -> None:
    """Call `hear` with a commit; should it raise, the commit and its answer stand all the same."""
    try:
        hear(what)
    except Exception:
        log.exception("a commit was made, but not everybody heard of it")
