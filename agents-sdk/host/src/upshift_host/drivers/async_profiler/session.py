"""One session of async-profiler in one JVM."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from upshift_agent import Profile
from upshift_host.workload import Process

from ..errors import ProfilerFailed
from ..jfr.attach import load
from ..jfr.place import MAX_RECORDING, Place
from ..watching import Watch
from ..window import OWN_END_S
from . import commands, placing
from .library import Library
from .samples import Recorded, read

MAX_SAID = 4096  # bytes
#: The thread that shows a session ends after it.
LINGERS_S = 2.0
LOOK_S = 0.1
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

#: Has a JVM load a library with options, and returns its code: `attach.load`, or a test's own.
Load = Callable[[int, str, str], int]


@dataclass(frozen=True, slots=True)
class Taken:
    """cpu_s: seconds on a CPU. threads_s: seconds of threads. None: the JVM ended, nobody knows."""

    recorded: Recorded
    cpu_s: float | None
    threads_s: float | None


class Session:
    """It runs from its making on, until it is taken, and no longer than `OWN_END_S`."""

    def __init__(
        self,
        process: Process,
        library: Library,
        rates: Mapping[Profile, int],
        alloc: int,
        timer: commands.Timer = "ctimer",
        load: Load = load,
    ) -> None:
        """rates: as they are in force. alloc: bytes between two samples. Raise `ProfilerFailed`."""
        self.process = process
        self._load = load
        self._rates = rates
        with Place(process.pid) as place:
            self._library = placing.put(process.pid, place, library)
            self._leave_theirs(place)
            name = place.new_name()
            try:
                self._start(place, name, alloc, timer)
                self._file = os.open(name, _FLAGS, dir_fd=place.descriptor)
            except OSError as error:
                with suppress(ProfilerFailed):
                    self._ask(place, self._library, commands.stop)
                raise ProfilerFailed(
                    f"the recording of the JVM {process.pid} cannot be read: {error}"
                ) from error
            finally:
                place.remove(name)  # so nothing is left of it, whoever is killed
        self._watch = Watch([process])
        self._threads = _threads(process.pid)
        self._began = time.monotonic()

    def take(self) -> Taken:
        """End it, and read what it saw. Raise `ProfilerFailed`; then it ends by itself."""
        pid = self.process.pid
        watched_s = max(time.monotonic() - self._began, 1e-3)
        seconds, threads = self._watch.seconds(), _threads(pid)
        try:
            with Place(pid) as place:
                if placing.ours(pid):  # else it has ended, and another one that runs is not ours
                    self._ask(place, self._library, commands.stop)
            recorded = read(self._content(), commands.period_ns(self._rates.get("lock", 1)))
        except ValueError as error:
            raise ProfilerFailed(f"the JVM {pid} wrote no recording: {error}") from error
        finally:
            os.close(self._file)
        own = 1 if "wall" in self._rates else 0  # the thread that takes its samples
        return Taken(
            recorded,
            None if seconds is None else seconds.cpu * recorded.lasted_s / watched_s,
            ((self._threads + threads) / 2 - own) * recorded.lasted_s if threads else None,
        )

    def _leave_theirs(self, place: Place) -> None:
        """Raise `ProfilerFailed` where a session of somebody else's runs: it is left alone."""
        pid = self.process.pid
        deadline = time.monotonic() + LINGERS_S
        while somebody := why_not(pid):
            if time.monotonic() > deadline:
                raise ProfilerFailed(somebody)
            time.sleep(LOOK_S)  # nobody tells when its thread ends
        for library in placing.others(pid, self._library):
            if commands.runs(self._ask(place, library, commands.status)[1]):
                raise ProfilerFailed(_somebody(pid))

    def _start(self, place: Place, name: str, alloc: int, timer: commands.Timer) -> None:
        pid = self.process.pid

        def options(log: str) -> str:
            return commands.start(name, log, self._rates, alloc, OWN_END_S, timer)

        code, said = self._ask(place, self._library, options)
        if commands.already(said) and placing.ours(pid):
            # Of one of us that was killed: it would end by itself, but later.
            self._ask(place, self._library, commands.stop)
            code, said = self._ask(place, self._library, options)
        if commands.already(said):
            raise ProfilerFailed(_somebody(pid))
        if code != 0:
            reason = " ".join(said.split())[:300] or f"code {code}"
            raise ProfilerFailed(f"async-profiler in the JVM {pid} did not start: {reason}")

    def _ask(self, place: Place, library: str, options: Callable[[str], str]) -> tuple[int, str]:
        """Its code, and what it says: it writes that into a file, which is removed."""
        log = f"asprof-log.{secrets.token_hex(16)}"
        try:
            code = self._load(self.process.pid, library, options(log))
            with suppress(OSError):
                file = os.open(log, _FLAGS, dir_fd=place.descriptor)
                try:
                    if stat.S_ISREG(os.fstat(file).st_mode):
                        return code, os.read(file, MAX_SAID).decode("utf-8", "replace")
                finally:
                    os.close(file)
            return code, ""
        finally:
            place.remove(log)

    def _content(self) -> bytes:
        """Raise `ValueError` for what is not to be read."""
        found = os.fstat(self._file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_RECORDING:
            raise ValueError(f"it is no file, or of {found.st_size} bytes")
        return os.pread(self._file, found.st_size, 0)


def why_not(pid: int) -> str | None:
    """That somebody else's session runs, as far as the system shows it."""
    theirs = placing.timed(pid) and not placing.ours(pid) and placing.others(pid)
    return _somebody(pid) if theirs else None


def _somebody(pid: int) -> str:
    return (
        f"the JVM {pid} has a session of async-profiler that somebody else began; it is left alone"
    )


def _threads(pid: int) -> int:
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task"))
    return 0
