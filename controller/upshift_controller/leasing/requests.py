"""What waits for the committer: requests, in the queue of their lane, and their answers."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from upshift_rules.leases.changes import Change
from upshift_rules.model import Outcome

from ..errors import Unavailable

#: A webhook has to be answered within 5 s, also when Redis does not answer at all.
PATIENCE_S = 4.0
#: Targets in one batch: a pipeline of this size keeps Redis busy for some 20 ms.
MAX_BATCH = 500

Outcomes = Mapping[str, Sequence[Outcome]]


@dataclass(slots=True)
class Queue:
    waiting: deque[Request] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    #: Since when a batch has been under way, of `time.monotonic`.
    busy_since: float = math.inf

    def next_batch(self) -> list[Request]:
        batch: list[Request] = []
        targets = 0
        while self.waiting and targets < MAX_BATCH:
            request = self.waiting.popleft()
            if not request.done.done():  # its client may have given up
                batch.append(request)
                targets += len(request.changes)
        return batch


@dataclass(slots=True)
class Request:
    changes: Mapping[str, Sequence[Change]]
    done: asyncio.Future[Outcomes]
    made: Callable[[str], None] | None = None
    outcomes: dict[str, Sequence[Outcome]] = field(default_factory=dict)
    #: What a request without changes asks for.
    probe: Callable[[], Awaitable[None]] | None = None

    def give_up(self) -> None:
        fail([self], Unavailable(f"Redis has not answered for {PATIENCE_S:g} s"))

    async def try_probe(self) -> None:
        """Answer a request without changes. What goes wrong is no other request's trouble."""
        try:
            if self.probe is not None:
                await self.probe()
        except Exception as error:  # noqa: BLE001  # whatever it is, whoever asked hears of it
            fail([self], error)
        if not self.done.done():
            self.done.set_result({})


def fail(batch: Sequence[Request], error: Exception) -> None:
    for request in batch:
        if not request.done.done():
            request.done.set_exception(error)


def hand_out(target: str, requests: Sequence[Request], outcomes: Sequence[Outcome]) -> None:
    """Give each request its part of a target's outcomes, which are in the order of the changes."""
    start = 0
    for request in requests:
        end = start + len(request.changes[target])
        request.outcomes[target] = outcomes[start:end]
        start = end
        if len(request.outcomes) == len(request.changes) and not request.done.done():
            request.done.set_result(request.outcomes)
