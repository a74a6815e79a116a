"""At work on a follower's thread: a member for each life that wants one, as they come and go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..runtime.log import describe, log
from ..runtime.loop import Loop
from ..runtime.pauses import pauses
from .follower import Follower

if TYPE_CHECKING:
    from .thread import FollowerThread, Life, LivingMember


class Seats:
    """`poke` and `end_drivers` serve any thread, the rest is the follower's own."""

    def __init__(self, thread: FollowerThread) -> None:
        self._thread = thread
        self._follower = Follower(*thread.source)
        self._members: dict[Life, LivingMember] = {}
        self._leaving: dict[Life, asyncio.Task[None]] = {}
        self._pauses: dict[Life, Iterator[float]] = {}
        self._empty = asyncio.Event()
        self._loop = Loop()
        self._loop.set_exception_handler(_told)

    def run(self, begun: Callable[[], None]) -> None:
        """Until nobody wants a seat any more. begun(): the work goes on."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main(begun))

    def poke(self) -> None:
        """Somebody came, or wants to leave."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is left to be done
            self._loop.call_soon_threadsafe(self._sync)

    def end_drivers(self) -> None:
        """After `run` has failed: nobody else will take the profilers down."""
        for member in list(self._members.values()):
            member.end_driver()

    async def _main(self, begun: Callable[[], None]) -> None:
        self._sync()  # each at its local baseline, before anything is known of Redis
        await self._follower.run(begun, self._empty)
        self._loop.abort_connections()

    def _sync(self) -> None:
        wanted, left = self._thread.look()
        for life in wanted:
            if life not in self._members:
                self._seat(life)
        for life in self._members.keys() - set(wanted):
            leaving = self._leave(life, self._members.pop(life))
            self._leaving[life] = asyncio.create_task(leaving, name="upshift-leave")
        if wanted:
            for life in left - self._leaving.keys():
                self._pauses.pop(life, None)
                self._thread.ended(life)
        elif not self._leaving:  # for good: whoever comes now has another thread
            self._empty.set()

    def _seat(self, life: Life) -> None:
        member = None
        try:
            member = life.make(self._follower)
            if not self._thread.seat(life, member):
                return
            member.start()
        except BaseException as error:  # noqa: BLE001  # whatever it is, the others have theirs
            if member is not None:
                member.end_driver()
            if life not in self._pauses:
                log.error("the agent cannot run here, and tries again: %s", describe(error))
            self._loop.call_later(next(self._pauses.setdefault(life, pauses())), self._sync)
            return
        self._pauses.pop(life, None)
        self._members[life] = member
        self._follower.join(member)

    async def _leave(self, life: Life, member: LivingMember) -> None:
        try:
            member.close()
            await self._follower.leave(member)
        finally:
            del self._leaving[life]
            self._sync()


def _told(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """What asyncio would log itself, with a traceback, from the thread that ends leases."""
    error = context.get("exception")
    why = describe(error) if isinstance(error, BaseException) else "no exception"
    log.error("%s: %s", context.get("message"), why)
