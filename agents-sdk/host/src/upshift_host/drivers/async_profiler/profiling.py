"""async-profiler as a profiler: a session for each JVM of a workload, all profiles in one."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from upshift_agent import Profile
from upshift_host.profiles.export import Exporter
from upshift_host.profiles.window import TIMED, Stack, Window
from upshift_host.workload import Process, Workload

from ..attach import AttachDriver, Rates
from ..errors import ProfilerFailed
from ..jfr import attach
from ..jfr.place import Place
from ..watching import alive
from ..window import WINDOW_S, Run
from . import commands
from .library import Library, find
from .session import Session, Taken
from .session import why_not as why_no_session

NAME = "async-profiler"
PROFILES: tuple[Profile, ...] = ("cpu", "wall", "alloc", "lock")
#: CLOCK_MONOTONIC_COARSE, which goes on once a tick of the kernel's.
_COARSE = 6

log = logging.getLogger("upshift_host")


def ticks_hz() -> int:
    """The kernel's HZ."""
    return round(1 / time.clock_getres(_COARSE))


class AsyncProfiler:
    name = NAME
    profiles = PROFILES
    overlaps = False  # a JVM has one session

    def __init__(self, library: Path | None, timer: commands.Timer) -> None:
        """library: where it is, as `find` takes it."""
        self._named = library
        self._timer: commands.Timer = timer
        self._tidied: set[Process] = set()
        #: Bytes a second, as each was last seen to allocate.
        self._allocates: dict[Process, float] = {}
        self.says: str | None = None

    def begin(self, workload: Workload, rates: Rates) -> Run[Sequence[Window]]:
        """Return once all JVMs are sampled. Raise `ProfilerFailed` if none is."""
        library = find(self._named)
        for gone in self._tidied - set(workload.processes):
            self._tidied.discard(gone)
            self._allocates.pop(gone, None)
        running: list[Session] = []
        failures: list[ProfilerFailed] = []
        in_force = commands.in_force(rates, ticks_hz())
        self._tell(rates, in_force)
        for process in workload.processes:
            try:
                running.append(self._start(process, library, in_force))
            except ProfilerFailed as error:
                failures.append(error)
        if not running:
            raise failures[0]
        return _Sessions(workload, in_force, running, self._allocates)

    def _start(self, process: Process, library: Library, rates: Rates) -> Session:
        if process not in self._tidied:
            with Place(process.pid) as place:
                place.tidy()
            self._tidied.add(process)
        alloc = commands.alloc_bytes(rates.get("alloc", 1), self._allocates.get(process))
        return Session(process, library, rates, alloc, self._timer)

    def _tell(self, rates: Rates, in_force: Rates) -> None:
        """Of what is less than was asked for."""
        lower = {profile: hz for profile, hz in in_force.items() if hz < rates[profile]}
        says = ", ".join(f"{profile} at {hz} Hz" for profile, hz in lower.items())
        if "cpu" in lower:
            says += f", for the kernel's timers run at {lower['cpu']} Hz"
        if says and says != self.says:
            log.warning("%s: %s", NAME, says)
        self.says = says or None


class AsyncProfilerDriver(AttachDriver):
    """Also says where a frequency is not the one that was asked for."""

    def __init__(
        self,
        library: Path | None,
        workload: Workload,
        exporter: Exporter,
        *,
        timer: commands.Timer = "ctimer",
        window_s: float = WINDOW_S,
    ) -> None:
        """Starts nothing. library: as `find` takes it."""
        self._async = AsyncProfiler(library, timer)
        super().__init__(self._async, workload, exporter, window_s=window_s)

    def says(self) -> str | None:
        """What there is to say of how it runs."""
        return self._async.says


class _Sessions:
    def __init__(
        self,
        workload: Workload,
        rates: Rates,
        all_: list[Session],
        allocates: dict[Process, float],
    ) -> None:
        """rates: as they are in force. allocates: is told what each allocates."""
        self._workload = workload
        self._rates = rates
        self._all = all_
        self._allocates = allocates

    def over(self) -> bool:
        return False  # it ends after the window does

    def end(self) -> list[Window]:
        """A window for each profile, none of a JVM that has ended. Raise `ProfilerFailed` if the
        others brought nothing either."""
        failures: list[ProfilerFailed] = []
        taken: list[Taken] = []
        for session in self._all:
            try:
                taken.append(found := session.take())
            except ProfilerFailed as error:
                if alive(session.process):
                    failures.append(error)
            else:
                self._learn(session.process, found)
        if failures and not taken:
            raise failures[0]
        if not taken:
            return []
        return [self._window(profile, hz, taken) for profile, hz in self._rates.items()]

    def _learn(self, process: Process, taken: Taken) -> None:
        if "alloc" not in self._rates:
            return
        seen = taken.recorded.seen.get("alloc")
        total = seen.weights.total() if seen is not None else 0
        self._allocates[process] = total / taken.recorded.lasted_s

    def _window(self, profile: Profile, hz: int, taken: list[Taken]) -> Window:
        samples: Counter[Stack] = Counter()
        weights: Counter[Stack] = Counter()
        for one in taken:
            if (seen := one.recorded.seen.get(profile)) is not None:
                samples.update(seen.samples)
                weights.update(seen.weights)
        first = taken[0].recorded
        return Window(
            attributes=self._workload.attributes,
            profile=profile,
            profiler=NAME,
            hz=hz,
            began_s=first.began_s,
            ended_s=first.began_s + first.lasted_s,
            samples=samples,
            weights=None if profile in TIMED else weights,
            threads_s=_watched(profile, taken),
        )


def _watched(profile: Profile, taken: Sequence[Taken]) -> float | None:
    """Seconds that there were to be sampled; None where nobody knows."""
    if profile not in TIMED:
        return None
    seconds = [one.cpu_s if profile == "cpu" else one.threads_s for one in taken]
    known = [it for it in seconds if it is not None]
    return sum(known) if len(known) == len(seconds) else None


def why_not(library: Path | None, workload: Workload) -> str | None:
    """Why async-profiler cannot sample the JVMs of this workload, None where it can."""
    try:
        find(library)
    except ProfilerFailed as error:
        return str(error)
    return attach.why_not(workload) or why_no_session(workload.processes[0].pid)
