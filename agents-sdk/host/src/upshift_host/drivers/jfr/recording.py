"""Flight Recorder as a profiler: a recording of ours for each JVM of a workload.

Recordings of the JVM's user are left alone. One that samples threads more often than ours keeps
the rate up, for the JVM has one sampler: then windows say the rate that truly was, and the log says
why.

- JDK 17 to 24 sample `jdk.ExecutionSample`: at each tick at most 5 of the threads that run Java
  code. One that has no CPU just then does not answer within the 2 ms that it is given, and is not
  counted; nor is one in compiled code that has no debug information from there on, as a loop
  without a call in it. So many samples may be lost: `achieved` says how many, and the log why.
- From JDK 25 on it is `jdk.CPUTimeSample`: each thread by its own CPU time. Two recordings of it
  may cancel one another out, so where the user has one, ours samples threads.
- lock sees waits for monitors (`synchronized`) that last at least a period of the rate: shorter
  ones are missing from the sums. Of `java.util.concurrent` it sees nothing.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from upshift_agent import Profile
from upshift_host.profiles.window import Stack, Window
from upshift_host.workload import Process, Workload

from ..achieved import ENOUGH
from ..attach import Rates
from ..errors import ProfilerFailed
from ..watching import Seconds, Watch, alive
from ..window import OWN_END_S, Run
from . import commands
from .attach import ask
from .place import Place, writes_to_disk
from .samples import Seen, read

NAME = "jfr"
PROFILES: tuple[Profile, ...] = ("cpu", "alloc", "lock")
#: The JVM's own threads, which no sample is ever taken of.
JVM_THREADS = ("GC Thread", "G1 ", "C1 Comp", "C2 Comp", "VM Thread", "VM Periodic", "JFR ")

#: Of the samples that were to be expected; the log says why where fewer came.
MOST = 0.7

log = logging.getLogger("upshift_host")

#: Runs a diagnostic command in a JVM: `attach.ask`, or a test's own.
Ask = Callable[[int, str], str]


class Jfr:
    name = NAME
    profiles = PROFILES
    overlaps = False  # the higher of two rates would hold for both

    def __init__(self, ask: Ask = ask) -> None:
        self._ask = ask
        self._told: set[str] = set()
        self._tidied: set[Process] = set()

    def begin(self, workload: Workload, rates: Rates) -> Run[Sequence[Window]]:
        """Return once all JVMs record. Raise `ProfilerFailed` if none does."""
        running: list[_Recording] = []
        failures: list[ProfilerFailed] = []
        for process in workload.processes:
            try:
                running.append(self._start(process, rates))
            except ProfilerFailed as error:
                failures.append(error)
        if not running:
            raise failures[0]
        return _Recordings(workload, rates, running, self._tell)

    def _start(self, process: Process, rates: Rates) -> _Recording:
        pid = process.pid
        if process not in self._tidied:
            self._tidied.add(process)
            with Place(pid) as place:
                place.tidy()
        event, period_ms = commands.BY_THREAD, commands.period_ms(rates.get("cpu", 1))
        checked = self._ask(pid, "JFR.check verbose=true")
        others = commands.others(checked)
        if others and not writes_to_disk(pid):
            raise ProfilerFailed(
                f"the JVM {pid} has a recording of its user's in memory, {others[0].name!r}, which "
                "ours would empty"
            )
        version = commands.version(self._ask(pid, "VM.version"))
        if version < commands.SINCE:
            raise ProfilerFailed(f"JVM {pid} is of JDK {version}; {NAME} needs {commands.SINCE}")
        if version >= commands.CPU_TIME_SINCE and not any(other.cpu_time for other in others):
            event = commands.BY_CPU_TIME
        else:
            faster = [it for it in others if it.period_ms and it.period_ms < period_ms]
            if faster and "cpu" in rates:
                period_ms = round(min(it.period_ms or period_ms for it in faster))
                self._tell(
                    f"the JVM {pid} has a recording of its user's, {faster[0].name!r}, which "
                    f"samples each {period_ms} ms; so does ours, instead of {rates['cpu']} Hz"
                )
        name = f"{commands.OURS}{secrets.token_hex(8)}"
        alone = commands.running(checked) == 0
        said = self._ask(pid, commands.start(name, rates, event, OWN_END_S, alone=alone))
        if not commands.started(said):
            raise ProfilerFailed(f"the JVM {pid} refuses: {' '.join(said.split())[:300]}")
        return _Recording(
            ask=self._ask,
            process=process,
            name=name,
            events=frozenset({event, commands.ALLOCATION, commands.MONITOR}),
            cpu_hz=max(1, round(1000 / max(period_ms, 1))),
            loses="cpu" in rates and version < commands.CPU_TIME_SINCE,
            watch=Watch([process], besides=JVM_THREADS),
            began_s=time.time(),
            began=time.monotonic(),
        )

    def _tell(self, complaint: str) -> None:
        if complaint not in self._told and len(self._told) < 100:
            self._told.add(complaint)
            log.warning("%s", complaint)


@dataclass(slots=True, kw_only=True)
class _Recording:
    """One recording of one JVM."""

    ask: Ask
    process: Process
    name: str
    events: frozenset[str]
    cpu_hz: int
    loses: bool  # whether it samples in a way that may lose much
    watch: Watch
    began_s: float  # Unix time
    began: float  # of time.monotonic

    def stop(self) -> tuple[float, Seconds | None]:
        """Seconds that it lasted, and what there was to see in them."""
        return max(time.monotonic() - self.began, 1e-3), self.watch.seconds()

    def take(self, lasted_s: float) -> dict[Profile, Seen]:
        """End it, and read what it saw; nothing is left of it. Raise `ProfilerFailed`."""
        pid = self.process.pid
        with Place(pid) as place:
            name = place.new_name()
            try:
                self.ask(pid, f"JFR.stop name={self.name} filename=/tmp/{name}")  # its
                content = place.take(name)
            except ProfilerFailed:
                # A full disk, for one: it must not go on for that.
                with suppress(ProfilerFailed):
                    self.ask(pid, f"JFR.stop name={self.name}")
                raise
            finally:
                place.remove(name)
        if not content:
            raise ProfilerFailed(f"the JVM {pid} began another recording, and so ours is empty")
        try:
            return read(content, self.events, self.began_s, self.began_s + lasted_s)
        except ValueError as error:
            raise ProfilerFailed(f"the JVM {pid} wrote no recording: {error}") from error

    def loss(self, seconds: Seconds | None, seen: Mapping[Profile, Seen]) -> str | None:
        """What is to be said of samples that are missing; None where most are there."""
        expected = self.cpu_hz * seconds.cpu if seconds and self.loses else 0.0
        found = seen["cpu"].samples.total() if "cpu" in seen else 0
        if expected < ENOUGH or found >= MOST * expected:
            return None
        return (
            f"the JVM {self.process.pid} tells of few of its samples: before JDK "
            f"{commands.CPU_TIME_SINCE} Flight Recorder asks 5 threads at a time, and cannot walk "
            "much of what is compiled without -XX:+UnlockDiagnosticVMOptions "
            "-XX:+DebugNonSafepoints"
        )


_Taken = tuple[_Recording, Seconds | None, dict[Profile, Seen]]


class _Recordings:
    def __init__(
        self,
        workload: Workload,
        rates: Rates,
        all_: list[_Recording],
        tell: Callable[[str], None],
    ) -> None:
        self._workload = workload
        self._rates = rates
        self._all = all_
        self._tell = tell

    def over(self) -> bool:
        return False  # it ends after the window does

    def end(self) -> list[Window]:
        """A window for each profile, none of a JVM that has ended. Raise `ProfilerFailed` if the
        others brought nothing either."""
        first, lasted_s = self._all[0], 0.0
        failures: list[ProfilerFailed] = []
        taken: list[_Taken] = []
        for recording in self._all:
            lasted_s, seconds = recording.stop()
            try:
                taken.append((recording, seconds, recording.take(lasted_s)))
            except ProfilerFailed as error:
                if alive(recording.process):
                    failures.append(error)
        if failures and not taken:
            raise failures[0]
        if not taken:
            return []
        for recording, seconds, seen in taken:
            if complaint := recording.loss(seconds, seen):
                self._tell(complaint)
        return [
            Window(
                attributes=self._workload.attributes,
                profile=profile,
                profiler=NAME,
                hz=first.cpu_hz if profile == "cpu" else hz,
                began_s=first.began_s,
                ended_s=first.began_s + lasted_s,
                samples=_summed([seen[profile].samples for *_, seen in taken if profile in seen]),
                weights=None
                if profile == "cpu"
                else _summed([seen[profile].weights for *_, seen in taken if profile in seen]),
                threads_s=_watched(taken) if profile == "cpu" else None,
            )
            for profile, hz in self._rates.items()
        ]


def _summed(counters: Sequence[Counter[Stack]]) -> Counter[Stack]:
    total: Counter[Stack] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def _watched(taken: Sequence[_Taken]) -> float | None:
    """Seconds on a CPU; None if one of the JVMs has ended, so that nobody knows."""
    known = [seconds.cpu for _, seconds, _ in taken if seconds is not None]
    return sum(known) if len(known) == len(taken) else None
