"""The loop of windows: a profiler runs again and again, each time with an end of its own.

A window has one frequency, so a change ends it. It is 13 s long at most, and the profiler itself
ends after 15 s, whatever has become of us. Where two runs of a profiler may overlap, the next
begins before the last one ends, so that nothing is missed in between.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from .errors import ProfilerFailed

log = logging.getLogger("upshift_host")

WINDOW_S = 13.0
#: After this a profiler has ended by itself: what it is told, in whole seconds.
OWN_END_S = 15
#: How often the loop looks whether a profiler still runs.
LOOK_S = 1.0
#: One that ends by itself before this would be begun again and again: it waits, as after a failure.
EARLY_S = 5.0
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 15.0

#: Its own, for the process's may be somebody else's to seed.
_random = random.Random()  # noqa: S311  # only jitter

#: What a profiler is to do, such as a frequency for each profile.
Wanted = TypeVar("Wanted")
#: What a window brings.
Brought = TypeVar("Brought")
Brought_co = TypeVar("Brought_co", covariant=True)


class Run(Protocol[Brought_co]):
    """A profiler that samples, from its making until `end`."""

    def over(self) -> bool:
        """Whether it has ended by itself. Never waits."""
        ...

    def end(self) -> Brought_co:
        """Stop it, and return what it saw. Raise `ProfilerFailed` where that is lost; nothing is
        left running either way."""
        ...


class Loop(Generic[Wanted, Brought]):
    """Keeps one profiler running, and hands over what its windows bring. From any threads.

    `begin(wanted)` returns once the profiler samples, or raises `ProfilerFailed`; None where there
    is nothing left to sample. `took` gets what each window brought, `failed` the reason where it
    brought nothing, on whichever thread it happens.
    """

    def __init__(
        self,
        name: str,
        begin: Callable[[Wanted], Run[Brought] | None],
        *,
        took: Callable[[Brought], None],
        failed: Callable[[str], None],
        overlap: bool = True,
        window_s: float = WINDOW_S,
    ) -> None:
        self._name = name
        self._begin = begin
        self._took = took
        self._failed = failed
        self._overlap = overlap
        self._window_s = window_s
        self._turn = threading.Condition()  # held while the profiler is begun or ended
        self._wanted: Wanted | None = None
        self._run: Run[Brought] | None = None
        self._ends_s = 0.0  # of time.monotonic: when to begin the next, or to try again
        self._began_s = 0.0
        self._failures = 0
        self._thread: threading.Thread | None = None

    def set(self, wanted: Wanted | None) -> None:
        """Do this from now on; None: nothing. Return once it is so, at once where it is already.

        Raise `ProfilerFailed` if it cannot be done; then nothing runs.
        """
        with self._turn:
            if wanted is not None and wanted == self._wanted and self._run is not None:
                return
            self._wanted, self._failures = wanted, 0
            try:
                self._change()
            except BaseException:
                self._wanted = None
                raise
            self._go()

    def want(self, wanted: Wanted | None) -> None:
        """Do this soon, and go on trying where it fails. Waits for no profiler to begin."""
        with self._turn:
            self._wanted, self._ends_s = wanted, 0.0
            self._go()

    def renew(self) -> None:
        """Begin the next window soon, since what there is to sample has changed."""
        with self._turn:
            self._ends_s = 0.0
            self._turn.notify_all()

    def _go(self) -> None:
        if self._wanted is not None and self._thread is None:
            self._thread = threading.Thread(
                target=self._keep, name=f"upshift-{self._name}", daemon=True
            )
            self._thread.start()
        self._turn.notify_all()

    def _change(self) -> None:
        """End what runs, begin what is wanted."""
        former, self._run = self._run, None
        if not self._overlap or self._wanted is None:
            self._finish(former)
            former = None
        try:
            if self._wanted is not None:
                self._run = self._begin(self._wanted)
        finally:
            self._finish(former)
        self._began_s = time.monotonic()
        # Not all of a host's profilers begin anew at once, though all began with the agent.
        self._ends_s = self._began_s + self._window_s * _random.uniform(0.8, 1.0)

    def _finish(self, run: Run[Brought] | None) -> None:
        if run is None:
            return
        try:
            brought = run.end()
        except ProfilerFailed as error:
            self._failed(str(error))
        except Exception as error:  # what a profiler prints may be anything
            log.exception("%s: what it brought cannot be read", self._name)
            self._failed(f"what it brought cannot be read: {error}")
        else:
            self._took(brought)

    def _keep(self) -> None:
        """The loop's own thread: window after window, as long as something is wanted."""
        with self._turn:
            while self._wanted is not None or self._run is not None:
                now = time.monotonic()
                over = self._run is not None and self._run.over()
                if over and now < self._began_s + EARLY_S:
                    former, self._run = self._run, None
                    self._finish(former)
                    self._later()
                elif over or now >= self._ends_s:
                    self._next()
                else:
                    self._turn.wait(min(LOOK_S, self._ends_s - now))
            self._thread = None

    def _next(self) -> None:
        lasted = self._run is not None
        try:
            self._change()
        except ProfilerFailed as error:
            self._failed(str(error))
            self._later()
        except Exception as error:  # a fault of ours must not end the loop
            log.exception("%s: the next window did not begin", self._name)
            self._failed(f"the next window did not begin: {error}")
            self._later()
        else:
            if lasted:
                self._failures = 0

    def _later(self) -> None:
        pause_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2**self._failures)
        self._ends_s = time.monotonic() + pause_s
        self._failures = min(self._failures + 1, 10)
