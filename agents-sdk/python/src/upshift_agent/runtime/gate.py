"""Where a fork and our threads wait for one another. Light: loaded with `Agent`."""

from __future__ import annotations

import threading

FORK_S = 1.0  # how long a fork waits for our threads, once for what one of them is doing
#: How long our threads wait for a fork, whose other handlers may take their time: a boost has to
#: end within 1 s of its expiry.
PAUSE_S = 0.5


class Gate:
    """Our threads are inside while they work, outside while they wait: there they may be lost.

    A fork keeps them from entering, and waits for those inside. Whatever they call, ours or not,
    may import, log and lock. A thread that forks itself does not wait for itself. What has
    outlasted the patience of one fork is not waited for by the next, so a driver that hangs
    holds up the application once.
    """

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Also in a forked child, which has none of the threads inside."""
        self._changed = threading.Condition()  # over an RLock: a signal handler may fork
        self._inside: dict[int, int] = {}  # thread → how often it has entered
        self._overdue: set[int] = set()
        self._forks = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._changed:
            if self._forks and me not in self._inside:
                self._changed.wait_for(lambda: not self._forks, PAUSE_S)
            self._inside[me] = self._inside.get(me, 0) + 1

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        with self._changed:
            depth = self._inside.pop(me, 1) - 1
            if depth:
                self._inside[me] = depth
            else:
                self._overdue.discard(me)
                if self._forks:
                    self._changed.notify_all()

    def close(self) -> None:
        """Before a fork: let nobody in, and wait until nobody is inside."""
        me = threading.get_ident()
        # With a bound: at the interpreter's end, a thread may have ended with this lock held.
        if not self._changed.acquire(timeout=FORK_S):
            return
        try:
            self._forks += 1
            # Two threads of ours that fork at once must not wait for one another.
            mine = self._inside.pop(me, 0)
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._inside.keys() <= self._overdue, FORK_S):
                self._overdue |= self._inside.keys()
            if mine:
                self._inside[me] = mine
        finally:
            self._changed.release()

    def open(self) -> None:
        """After a fork, in the parent."""
        with self._changed:
            self._forks = max(0, self._forks - 1)
            self._changed.notify_all()


gate = Gate()
