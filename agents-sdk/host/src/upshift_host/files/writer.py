"""What becomes of the file, and of what is known of it. For one thread at a time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from upshift_host.drivers.errors import ProfilerFailed

from . import keeping
from .contents import CannotStand
from .keeping import Limits, State
from .place import FULL, Place
from .setup import Setup


@dataclass(frozen=True, slots=True)
class Staged:
    """A raise that lies beside the file, to be checked."""

    hz: int
    former: bytes | None
    path: Path


class Writer:
    """Takes what is known and returns what is known then."""

    def __init__(self, setup: Setup, limits: Limits) -> None:
        self._place = Place(setup.path)
        self._contents = setup.contents
        self._limits = limits
        self.writes = 0  # so far

    @property
    def path(self) -> Path:
        return self._place.path

    def why_not(self) -> str | None:
        return self._place.why_not()

    def begin(self, state: State) -> State:
        """What the file says, and whether the profiler knows. With a copy at rest beside it, a
        change was cut off, and nobody knows."""
        self._place.drop("new")
        self._place.drop("end")
        state = self.look(state)
        cut_off = True
        with suppress(OSError):
            cut_off = self._place.beside("rest") is not None
        if state.file is None or cut_off:
            return state
        return keeping.known(state, state.file)

    def look(self, state: State) -> State:
        """What the file says now, whoever wrote it. What cannot be read is noticed in writing."""
        content = None
        with suppress(OSError):
            content = self._place.read()
        known = {state.wanted, self._limits.rest, state.file, state.loaded, state.good}
        tried = sorted(hz for hz in known if hz is not None)
        return keeping.found(state, None if content is None else self._contents.hz(content, tried))

    def lower(self, state: State, now: float) -> State:
        """Write what is wanted, at once and unchecked: only a number differs from what is there."""
        former: bytes | None = None
        try:
            former = self._place.read()
            content = self._contents.at(state.wanted, former)
            if content != former:
                self._lay_by(former, state)
                beside = self._place.write_beside(content, "end")
                if self._place.read() != former:
                    return state  # somebody writes it at this moment: once more
                self._place.put(beside)
        except CannotStand as error:
            return keeping.failed(state, f"{self.path} {error}", now)
        except OSError as error:
            if error.errno in FULL and former is not None:
                state = self._put_rest(former, state, now)
            return keeping.not_written(state, self._cannot(error), now)
        self.writes += 1
        return keeping.wrote(state, state.wanted, now, self._limits)

    def stage(self, hz: int) -> Staged:
        """Write a raise beside the file. Raise `ProfilerFailed`."""
        try:
            former = self._place.read()
            content = self._contents.at(hz, former)
            return Staged(hz, former, self._place.write_beside(content, "new"))
        except CannotStand as error:
            raise ProfilerFailed(f"{self.path} {error}") from error
        except OSError as error:
            raise ProfilerFailed(self._cannot(error)) from error

    def drop(self) -> None:
        """What was staged is not wanted any more."""
        self._place.drop("new")

    def put(self, staged: Staged, state: State, now: float) -> State:
        """Put what was staged in place. Raise `ProfilerFailed`; nothing has changed then."""
        try:
            if self._place.read() != staged.former:
                raise ProfilerFailed(f"{self.path} was edited while a change of it was checked")
            if self._place.beside("rest") is None or (state.file or 0) <= self._limits.rest:
                rest = self._contents.at(self._limits.rest, staged.former)
                self._place.write_beside(rest, "rest")
            self._place.put(staged.path)
        except OSError as error:
            raise ProfilerFailed(self._cannot(error)) from error
        self.writes += 1
        return keeping.wrote(state, staged.hz, now, self._limits)

    def told(self, hz: int) -> None:
        """The profiler knows of `hz`: at rest nothing has to be laid by."""
        if hz == self._limits.rest:
            self._place.drop("rest")

    def _lay_by(self, former: bytes | None, state: State) -> None:
        """Before anything is written, so that the next start knows that the profiler may not. Where
        there is no room, what lowers goes first. What lifts to the baseline waits, and so does a
        file that says nobody knows what: above the baseline it would have a copy beside it."""
        if self._place.beside("rest") is not None:
            return
        try:
            self._place.write_beside(self._contents.at(self._limits.rest, former), "rest")
        except OSError:
            if state.file is None or state.file < state.wanted:
                raise

    def _put_rest(self, former: bytes, state: State, now: float) -> State:
        """No room for anything: put what was laid by before the raise in place, unless the file has
        been edited since."""
        rest = self._limits.rest
        if state.file is not None and state.file <= rest:
            return state
        with suppress(OSError, CannotStand):
            content = self._place.beside("rest")
            if content is not None and content == self._contents.at(rest, former):
                self._place.put_rest()
                self.writes += 1
                return keeping.wrote(state, rest, now, self._limits)
        return state

    def _cannot(self, error: OSError) -> str:
        return f"{self.path} cannot be written: {error.strerror or error}"
