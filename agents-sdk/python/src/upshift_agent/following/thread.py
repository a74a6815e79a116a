"""The thread that follows for the agents of a process, one for all that share their Redis.

Those that begin with the same source (URL, namespace, secrets; in a cluster the home, too) share
a follower. The first one's start brings it, the last one's stop ends it, a forked child has none.
Light: loaded with `Agent`.
"""

from __future__ import annotations

import threading

from ..runtime import process
from ..runtime.gate import gate
from ..runtime.log import describe, log
from ..runtime.pauses import pauses

TYPE_CHECKING = False  # importing typing would cost more than the rest of this module
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from .follower import Follower, Member
    from .seats import Seats

    class LivingMember(Member, Protocol):
        def start(self) -> None:
            """Begin, with what is known now."""

        def close(self) -> None:
            """End, and leave the profiler as if no lease applied."""

        def end_driver(self) -> None:
            """From any thread, in place of `close`: all else has failed."""

    class Life(Protocol):
        """One agent's from start to stop, fork or exit."""

        ended: threading.Event

        def make(self, follower: Follower) -> LivingMember:
            """A member for it. The first one loads what is heavy."""

        def take(self, member: Any) -> None:
            """It is this one's from now on."""


BEGIN_S = 5.0  # a thread that has not begun by then is reported, and another one tried
ATTEMPTS = 3  # at a thread that does not hang

#: URL, namespace, secrets, and the target whose server is followed if there are several.
Source = tuple[str, str, tuple[bytes, ...], str]

_threads: dict[Source, FollowerThread] = {}
_lock = threading.RLock()  # a signal handler may stop what is just being started


def join(source: Source, life: Life) -> None:
    """Have a member made for `life`, which follows with all others of that source."""
    with _lock:
        thread = _threads.get(source)
        if thread is not None:
            thread.add(life)
            return
        thread = _threads[source] = FollowerThread(source, [life])
    thread.start()


def leave(source: Source, life: Life) -> None:
    """Have the member of `life` ended; `life.ended` tells when it has."""
    with _lock:
        thread = _threads.get(source)
        if thread is None or not thread.remove(life):
            life.ended.set()  # it never began


def _forget() -> None:
    """In a forked child, which has none of the threads."""
    global _lock
    _lock = threading.RLock()
    _threads.clear()


process.in_child.append(_forget)


class FollowerThread:
    """attempt: how often a thread for the same lives has not begun its work in time."""

    def __init__(self, source: Source, lives: Sequence[Life], attempt: int = 0) -> None:
        self.source = source
        self._lives = list(lives)
        self._attempt = attempt
        self._left: set[Life] = set()
        self._seats: Seats | None = None
        self._news = threading.Event()
        self._begun = threading.Event()
        self._failure = ""
        self._thread = threading.Thread(target=self._work, name="upshift-agent", daemon=True)

    def start(self) -> None:
        try:
            self._thread.start()
            threading.Thread(target=self._watch, name="upshift-watch", daemon=True).start()
        except RuntimeError as error:  # no more threads to be had
            log.error("the agent cannot run here: %s", describe(error))
            if self._thread.ident is None:
                for life in self._abandon():
                    life.ended.set()

    def add(self, life: Life) -> None:
        self._lives.append(life)
        self._poke()

    def remove(self, life: Life) -> bool:
        if life not in self._lives:
            return False
        self._lives.remove(life)
        self._left.add(life)
        if not self._lives:
            del _threads[self.source]
        self._poke()
        return True

    def look(self) -> tuple[list[Life], set[Life]]:
        """Those that want a seat, and those that want theirs no more."""
        with _lock:
            self._news.clear()
            return list(self._lives), set(self._left)

    def seat(self, life: Life, member: LivingMember) -> bool:
        """Whether `life` still wants it. It may be another thread's by now."""
        with _lock:
            if life in self._lives:
                life.take(member)
                return True
            return False

    def ended(self, life: Life) -> None:
        with _lock:
            self._left.discard(life)
            life.ended.set()

    def _poke(self) -> None:
        self._news.set()
        if self._seats is not None:
            self._seats.poke()

    def _abandon(self) -> list[Life]:
        """Have none any more. Return those that there were."""
        with _lock:
            if _threads.get(self.source) is self:
                del _threads[self.source]
            lives, self._lives = self._lives, []
            return lives

    def _watch(self) -> None:
        """See the work begin. A lock that nobody will release, or an error, may be in its way."""
        if self._begun.wait(BEGIN_S * 2 ** min(self._attempt, 4)) or not self._lives:
            return
        with gate:
            hangs = self._thread.is_alive()
            process.log_late(self._thread.ident if hangs else None)
            # Each attempt that hangs costs a thread for good.
            if not hangs or self._attempt < ATTEMPTS:
                self._begin_again()

    def _begin_again(self) -> None:
        with _lock:
            lives = self._abandon()
            if not lives:
                return
            if self._seats is not None:
                self._seats.end_drivers()  # or the next ones would wait for them
            self._poke()
            thread = _threads[self.source] = FollowerThread(self.source, lives, self._attempt + 1)
        thread.start()

    def _work(self) -> None:
        pauses_s, told = pauses(), ""
        while self._lives and not self._follow():
            with gate:
                if told != (told := self._failure):
                    log.error("the agent cannot run here, and tries again: %s", told)
            self._news.wait(next(pauses_s))
        with gate:
            for life in self.look()[1]:
                self.ended(life)

    def _follow(self) -> bool:
        """Run until nobody is left. Return False if that failed; the profilers are left at rest."""
        self._news.clear()
        try:
            with gate:
                from .seats import Seats

                self._seats = Seats(self)
                self._seats.run(self._begun.set)
        except BaseException as error:  # noqa: BLE001  # the application must not hear of it
            with gate:
                self._failure = describe(error)
                if self._seats is not None:
                    self._seats.end_drivers()
            self._begun.set()  # it does not hang, and tries again by itself
            return False
        return True
