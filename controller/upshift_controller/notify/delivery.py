"""The queue of one destination: what waits, for how long it is tried, and when it is given up."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import aiohttp
import structlog

from ..sections.notify import Destination
from .asking import MAX_WAIT_S, Answer, session
from .notices import Notice

log = structlog.get_logger()

#: Notices that wait for a destination; kill switches have some room more.
MAX_WAITING = 1000
MORE_FOR_KILL_SWITCHES = 100
#: A notice that is older says nothing to anybody any more.
MAX_AGE_S = 600.0
#: Before a notice is tried again: at first, then twice as long each time.
FIRST_PAUSE_S = 1.0
#: Between two lines of the log about what is lost.
_TELL_EVERY_S = 60.0

Outcome = Literal["sent", "retried", "dropped_full", "dropped_late", "dropped_refused"]


class Sender(Protocol):
    async def send(self, client: aiohttp.ClientSession, notice: Notice, *, again: bool) -> Answer:
        """Try to tell a notice, once. It raises nothing that a destination can bring about."""


@dataclass(slots=True)
class _Waiting:
    notice: Notice
    since: float
    tries: int = 0


class Delivery:
    """counted: is told each outcome. now, sleep: monotonic seconds, and how they pass."""

    def __init__(
        self,
        destination: Destination,
        sender: Sender,
        counted: Callable[[Outcome], object],
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.destination = destination
        self.waiting: deque[_Waiting] = deque()
        self._sender = sender
        self._counted = counted
        self._now = now
        self._sleep = sleep
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._told = -_TELL_EVERY_S

    def put(self, notice: Notice) -> None:
        """Have a notice told, if it is what this destination asks for, and there is room."""
        if notice.topic not in self.destination.about:
            return
        more = MORE_FOR_KILL_SWITCHES if notice.topic == "kill_switch" else 0
        if len(self.waiting) >= MAX_WAITING + more:
            self._drop("dropped_full", f"{len(self.waiting)} wait already")
            return
        self.waiting.append(_Waiting(notice, self._now()))
        self._wake.set()

    async def run(self) -> None:
        """Tell what waits, one after the other, for ever."""
        async with session() as client:
            while True:
                while self.waiting:
                    await self._deliver(client, self.waiting[0])
                    self.waiting.popleft()
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()

    async def told_all(self) -> None:
        """Wait until nothing waits any more."""
        while self.waiting:
            self._idle.clear()
            await self._idle.wait()

    async def _deliver(self, client: aiohttp.ClientSession, it: _Waiting) -> None:
        """Try until a notice is through, refused, or too old. It keeps its place meanwhile."""
        pause_s = FIRST_PAUSE_S
        why = ""
        while self._now() - it.since < MAX_AGE_S:
            it.tries += 1
            try:
                answer = await self._sender.send(client, it.notice, again=it.tries > 1)
            except Exception:  # a defect of ours must not keep all that waits behind it
                log.exception("a notice could not be made", destination=self.destination.name)
                answer = Answer("refused", "a defect")
            if answer.result == "sent":
                self._counted("sent")
                return
            if answer.result == "refused":
                self._drop("dropped_refused", answer.why)
                return
            why = answer.why
            self._counted("retried")
            # Not all controllers at the same moment.
            await self._sleep(max(pause_s * random.uniform(0.5, 1), answer.wait_s))  # noqa: S311  # jitter
            pause_s = min(2 * pause_s, MAX_WAIT_S)
        self._drop("dropped_late", why or "it waited too long behind others")

    def _drop(self, outcome: Outcome, why: str) -> None:
        self._counted(outcome)
        if self._now() - self._told >= _TELL_EVERY_S:
            self._told = self._now()
            log.warning(
                "a notice is lost; others may be, see upshift_notices_total",
                destination=self.destination.name,
                outcome=outcome,
                problem=why,
            )
