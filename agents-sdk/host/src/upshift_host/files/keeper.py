"""Keeps one file, and the profiler that reads it, at the frequency that is wanted.

What lowers is written by whoever asks, under the lock, which is held for as long as a small file
takes to be written. All else is done by a thread of its own: checks, reloads and looks take place
without the lock, so that an end never waits behind a raise.

Long, because all of it is about one state under one lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from upshift_agent.contract import one_line
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.drivers.watching import alive
from upshift_host.said import describe, log
from upshift_host.workload import Process

from . import keeping
from .keeping import Reload, State, Wait, Write
from .profiler import Profiler
from .setup import Setup
from .writer import Staged, Writer

#: How often the profiler is looked at after a reload.
WATCH_EACH_S = 0.5
#: How often the file is looked at, which others may have written, and the profiler.
LOOK_S = 5.0
#: One that has ended is being started again by somebody, and reads the file by itself.
AGAIN_S = 3.0
END_S = 0.5
GONE = "it does not run"


class Keeper:
    """From any threads."""

    def __init__(
        self,
        setup: Setup,
        profiler: Profiler | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Touches nothing."""
        self.setup = setup
        self._profiler = profiler or Profiler(setup)
        self._now = now
        self._limits = setup.limits
        self._writer = Writer(setup, self._limits)
        self._news = threading.Condition()
        self._state = State(wanted=self._limits.rest)
        self._watched: Process | None = None
        self._was_unwell = False
        self._missing = 0  # looks in a row at which it did not run
        self._said = ""
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Bring the file to the baseline, whatever became of it, and keep it from now on."""
        with self._news:
            if self._thread is None:
                self._state = self._writer.begin(self._state)
                self._thread = threading.Thread(
                    target=self._run, name=f"upshift-{self.setup.name}", daemon=True
                )
                self._lower_at_once()
                self._thread.start()

    def want(self, hz: int) -> None:
        """Run at this from now on. What lowers is in the file when this returns, if it can be."""
        with self._news:
            now = self._now()
            self._state = keeping.wanting(self._state, self.setup.told(hz), now, self._limits)
            self._lower_at_once()
            self._news.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Until what is wanted has been told to the profiler, or has failed."""
        with self._news:
            self._news.wait_for(lambda: self._settled() or bool(self._state.failures), timeout_s)

    def close(self, timeout_s: float) -> str | None:
        """Leave the file at the baseline and the profiler told so. Return why not, None if it is.

        The file is written at once; the profiler is waited for, for at most `timeout_s`.
        """
        self.want(self.setup.rest)
        with self._news:
            if self._thread is None:
                return None
            self._news.wait_for(self._settled, timeout_s)
            self._closing = True
            self._news.notify_all()
            thread, state, done = self._thread, self._state, self._settled()
        thread.join(END_S)
        return None if done else state.why or keeping.in_words(state, self._now(), self._limits)

    def why_not(self) -> str | None:
        """Why the profiler cannot be driven, None where it can."""
        return self._writer.why_not() or self._profiler.why_not()

    def in_words(self) -> str:
        """Where it stands, for statuses; empty once what is wanted is in force. Never waits."""
        said = keeping.in_words(self._state, self._now(), self._limits)
        return GONE if self._missing else said

    def reached(self) -> float | None:
        """Hz that the profiler runs at now; None: nobody knows. Never waits."""
        if self._missing:
            return 0.0
        hz = keeping.in_force(self._state, self._now(), self._limits)
        return None if hz is None else self.setup.reached(hz)

    def trouble(self, hz: int) -> tuple[int, str] | None:
        """Why whoever wants `hz` does not have it: how often in a row it has failed, and why the
        last time. None: nothing is wrong. Never waits."""
        state, missing = self._state, self._missing
        if missing:
            return missing, GONE
        lacks = state.file is None or self.setup.told(hz) > state.file
        untold = state.file == state.wanted != state.loaded
        return (state.failures, state.why) if state.failures and (lacks or untold) else None

    def _settled(self) -> bool:
        return self._state.file == self._state.wanted == self._state.loaded

    def _run(self) -> None:
        looked_at = self._now()
        while True:
            with self._news:
                if self._closing:
                    return
                now = self._now()
                if look := now >= looked_at + LOOK_S:
                    looked_at = now
                    self._state = self._writer.look(self._state)
                step = keeping.next_step(self._state, now, self._limits)
                watching = self._state.watched_until is not None
                if isinstance(step, Wait) and not look and not watching:
                    until = looked_at + LOOK_S if step.until is None else step.until
                    self._news.wait(min(LOOK_S, max(0.01, until - now)))
                    continue
            try:
                if look:
                    self._look()
                self._do(step)
            except Exception as error:  # noqa: BLE001  # a fault of ours must not end the thread
                log.exception("%s: nobody expected this", self.setup.name)
                with self._news:
                    self._failed(describe(error))

    def _do(self, step: Write | Reload | Wait) -> None:
        if isinstance(step, Wait):
            self._watch()
        elif isinstance(step, Reload):
            self._reload()
        elif step.raises:
            self._raise(step.hz)
        else:
            with self._news:
                self._lower_at_once()

    def _lower_at_once(self) -> None:
        """If what is wanted lowers. With the lock."""
        now = self._now()
        due = keeping.lowers(self._state, self._limits) and now >= self._state.retry_at
        if self._thread is not None and due:
            self._state = self._writer.lower(self._state, now)
            if self._state.failures:
                self._say(self._state.why)

    def _raise(self, hz: int) -> None:
        """Check, rename, reload; put the former one back where that fails."""
        process = self._profiler.process()
        try:
            if self._profiler.has_process and process is None:
                raise ProfilerFailed(GONE)
            staged = self._writer.stage(hz)
            self._profiler.check(staged.path)
            self._was_unwell = self._profiler.unwell() is not None
            writes = self._put(staged)
            if writes is None:
                return  # it has ended while it was checked
        except ProfilerFailed as error:
            with self._news:
                self._writer.drop()
                self._failed(f"{hz} Hz: {error}", raised=True)
            return
        try:
            process = self._profiler.reload(process)
        except ProfilerFailed as error:
            with self._news:
                if self._state.file == hz:
                    self._state = self._undone(self._state)
                    self._failed(f"{hz} Hz: the reload failed: {error}", raised=True)
        else:
            self._told(hz, writes, process)

    def _put(self, staged: Staged) -> int | None:
        """Which write it was; None if it is not wanted any more."""
        with self._news:
            if self._state.wanted != staged.hz or self._closing:
                self._writer.drop()
                return None
            now = self._now()
            self._state = keeping.reloading(self._writer.put(staged, self._state, now), now)
            return self._writer.writes

    def _reload(self) -> None:
        """Tell the profiler of a file that is in place already. It is checked first: an invalid
        one, of which the number is not the reason, may end it."""
        with self._news:
            hz, writes = self._state.file, self._writer.writes
        if hz is None:
            return
        process = self._profiler.process()
        try:
            # What does not run reads the file when it begins.
            if process is not None or not self._profiler.has_process:
                self._profiler.check(self._writer.path)
                process = self._profiler.reload(process)
        except ProfilerFailed as error:
            with self._news:
                if self._state.file == hz:
                    self._failed(f"{hz} Hz: not reloaded: {error}")
        else:
            self._told(hz, writes, process)

    def _told(self, hz: int, writes: int, process: Process | None) -> None:
        """The profiler has been told; if the file was written meanwhile, nobody knows of what, and
        it is told again."""
        with self._news:
            if self._state.file == hz and self._writer.writes == writes:
                self._state = keeping.reloaded(self._state, hz, self._now(), self._limits)
                self._writer.told(hz)
                self._watched = process
                log.info("%s: %s says %d Hz", self.setup.name, self._writer.path, hz)
            self._news.notify_all()

    def _watch(self) -> None:
        """After a reload: whether the profiler still runs, and is well."""
        why = None
        ended = self._watched is not None and not alive(self._watched)
        if ended:
            why = "it has ended"
        elif (unwell := self._profiler.unwell()) is not None and not self._was_unwell:
            why = f"it is unwell: {unwell}"
        with self._news:
            now, state = self._now(), self._state
            if state.watched_until is None or state.loaded is None:
                return  # there is another change by now
            if why is None and now < state.watched_until:
                self._news.wait(min(WATCH_EACH_S, state.watched_until - now))
                return
            if why is None or not keeping.was_raised(state, self._limits):
                # A death after an end is not ours to undo: what runs next reads the lower number.
                self._state = keeping.proved(state)
                self._said = why or ""
                return
            why = f"{state.loaded} Hz: {why} of the reload"
            state = self._undone(keeping.harmed(state, why, now))
            self._state = replace(state, retry_at=now + AGAIN_S) if ended else state
            self._say(why)
        try:
            if self._profiler.has_process and self._profiler.process() is None:
                self._profiler.start()
        except ProfilerFailed as error:
            log.warning("%s cannot be started: %s", self.setup.name, error)

    def _undone(self, state: State) -> State:
        """Put the former frequency back into the file. With the lock."""
        back = replace(state, wanted=keeping.undo_to(state, self._limits))
        return replace(self._writer.lower(back, self._now()), wanted=state.wanted)

    def _look(self) -> None:
        """Whether the profiler runs, if that can be told."""
        if not self._profiler.has_process:
            return
        watched = self._watched
        if watched is None or not alive(watched):
            watched = self._profiler.process()
        with self._news:
            self._missing = 0 if watched is not None else self._missing + 1
            if self._state.watched_until is None:
                self._watched = watched

    def _failed(self, why: str, *, raised: bool = False) -> None:
        """With the lock."""
        self._state = keeping.failed(self._state, why, self._now(), raised=raised)
        self._say(why)

    def _say(self, why: str) -> None:
        """Once in a row. With the lock."""
        if why != self._said:
            log.warning("%s: %s", self.setup.name, one_line(why, 300))
        self._said = why
        self._news.notify_all()
