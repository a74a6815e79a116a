"""py-spy (0.4): one process of it for each process of a workload and each profile.

    py-spy record --pid PID --rate HZ --duration 15 --format raw …

cpu are the threads that do not sleep, wall (`--idle`) are all. `raw` is counts, so a window carries
the rate along. It is ended by SIGINT: after SIGTERM it writes nothing.

`--nonblocking`: py-spy would stop the application for each sample, by ptrace, and whoever kills it
in the middle of that may leave the application stopped for good. So it reads along while the
application runs; a stack that changes under its eyes is a sample lost.

Its pauses are drawn at random (a Poisson process), so of N samples √N more or less is no fault.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from upshift_agent import Profile
from upshift_host.profiles import folded
from upshift_host.profiles.window import Stack, Window
from upshift_host.workload import Process, Workload

from .attach import Rates
from .child import LOOK_S, Child
from .child import why_not as why_no_child
from .errors import ProfilerFailed
from .watching import Watch
from .window import OWN_END_S, Run

PROGRAM = "py-spy"
PROFILES: tuple[Profile, ...] = ("cpu", "wall")
#: Above this py-spy no longer keeps up with a busy process of many threads.
HIGHEST_HZ = 1000
#: It reads the symbols of Python first; on a busy machine that takes a while.
START_S = 10.0
#: It looks for SIGINT between two samples, which are 1 s apart at 1 Hz.
END_S = 5.0
SAMPLING = "Sampling process"


class PySpy:
    name = PROGRAM
    profiles = PROFILES
    overlaps = True  # neither stops the application

    def begin(self, workload: Workload, rates: Rates) -> Run[Sequence[Window]]:
        """Return once all sample. Raise `ProfilerFailed` if none does."""
        starting: list[_Starting] = []
        try:
            for profile, hz in rates.items():
                for process in workload.processes:
                    rate = min(hz, HIGHEST_HZ)
                    child = _record(profile, rate, process)
                    starting.append(_Starting(profile, rate, process, child))
            return _Sampling(workload, _all_begun(starting))
        except BaseException:
            for one in starting:
                one.child.close()
            raise


@dataclass(frozen=True, slots=True)
class _Starting:
    profile: Profile
    hz: int
    process: Process
    child: Child


@dataclass(slots=True)
class _One:
    """One py-spy."""

    profile: Profile
    hz: int
    child: Child
    watch: Watch
    began_s: float
    began: float  # of time.monotonic

    def stop(self) -> tuple[float, float | None]:
        """Seconds that it sampled, and seconds of runnable threads in them where that is known."""
        read_s = max(time.monotonic() - self.began, 1e-3)
        watched = self.watch.seconds()
        runnable_s = None if watched is None else watched.runnable
        if not self.child.ended():
            self.child.interrupt()
            return read_s, runnable_s
        # By itself: it writes once it samples no more.
        lasted_s = min(max(self.child.written_s() - self.began_s, 1e-3), read_s)
        return lasted_s, None if runnable_s is None else runnable_s * lasted_s / read_s


class _Sampling:
    def __init__(self, workload: Workload, all_: list[_One]) -> None:
        self._workload = workload
        self._all = all_

    def over(self) -> bool:
        ended = [one.child.ended() for one in self._all]  # asks all: each is to be heard out
        return all(ended)

    def end(self) -> list[Window]:
        """A window for each profile. Raise `ProfilerFailed` if none of them brought anything."""
        stopped = [(one, one.stop()) for one in self._all]
        failures: list[str] = []
        seen: dict[Profile, list[_Seen]] = {}
        try:
            for one, (lasted_s, runnable_s) in stopped:
                try:
                    one.child.finish(END_S)
                    samples = _read(one)
                except ProfilerFailed as error:
                    failures.append(str(error))
                else:
                    found = _Seen(one, lasted_s, samples, runnable_s)
                    seen.setdefault(one.profile, []).append(found)
        finally:
            for one in self._all:
                one.child.close()
        if failures and not seen:
            raise ProfilerFailed(failures[0])
        return [_window(self._workload, profile, found) for profile, found in seen.items()]


@dataclass(frozen=True, slots=True)
class _Seen:
    one: _One
    lasted_s: float
    samples: Counter[Stack]
    runnable_s: float | None

    @property
    def threads_s(self) -> float | None:
        """Of wall: all of its threads' seconds, as if each were seen as often as the busiest one
        that was there all the time: py-spy tells no thread that it had nothing to see of."""
        if self.one.profile == "cpu":
            return self.runnable_s
        threads = Counter[str]()
        for stack, count in self.samples.items():
            threads[stack[0]] += count
        if not threads:
            return None
        return self.lasted_s * threads.total() / max(threads.values())


def why_not(workload: Workload) -> str | None:
    """Why py-spy cannot sample this workload, None where it can."""
    if lacking := why_no_child(PROGRAM):
        return lacking
    pid = workload.processes[0].pid
    try:
        # What reading another process's memory asks for is what opening this asks for.
        with open(f"/proc/{pid}/mem", "rb"):
            return None
    except PermissionError:
        return f"may not read process {pid}: it takes CAP_SYS_PTRACE"
    except OSError:
        return None  # it has ended: nothing to say against py-spy


def _record(profile: Profile, hz: int, process: Process) -> Child:
    return Child(
        PROGRAM,
        [
            "record",
            *("--pid", str(process.pid)),
            *("--rate", str(hz)),
            *("--duration", str(OWN_END_S)),
            *("--format", "raw"),
            *("--output", "{output}"),
            "--nonblocking",
            "--function",  # a function is one frame, whichever of its lines runs
            *(("--idle", "--threads") if profile == "wall" else ()),
        ],
    )


def _all_begun(starting: list[_Starting]) -> list[_One]:
    """Those that sample, each from the moment on at which it said so. Raise `ProfilerFailed` if
    none does."""
    begun: list[_One] = []
    failures: list[ProfilerFailed] = []
    deadline = time.monotonic() + START_S
    waiting = list(starting)
    while waiting:
        for one in list(waiting):
            try:
                if not one.child.begun(_samples, deadline, START_S):
                    continue
            except ProfilerFailed as error:
                failures.append(error)
            else:
                watch = Watch([one.process])
                now_s, now = time.time(), time.monotonic()
                begun.append(_One(one.profile, one.hz, one.child, watch, now_s, now))
            waiting.remove(one)
        if waiting:
            time.sleep(LOOK_S)
    if not begun:
        raise failures[0]
    return begun


def _samples(child: Child) -> bool:
    return SAMPLING in child.said()


def _read(one: _One) -> Counter[Stack]:
    """What it wrote; nothing where no thread ran. Raise `ProfilerFailed` if it could not."""
    if one.child.finish(0) != 0:
        raise ProfilerFailed(one.child.failure())
    return folded.parse(one.child.output())


def _window(workload: Workload, profile: Profile, found: list[_Seen]) -> Window:
    samples: Counter[Stack] = Counter()
    for seen in found:
        for stack, count in seen.samples.items():
            samples[stack[1:] or stack if profile == "wall" else stack] += count
    first = found[0].one
    watched = [seen.threads_s for seen in found]
    known = [seconds for seconds in watched if seconds is not None]
    return Window(
        attributes=workload.attributes,
        profile=profile,
        profiler=PROGRAM,
        hz=first.hz,
        began_s=first.began_s,
        ended_s=first.began_s + found[0].lasted_s,
        samples=samples,
        threads_s=sum(known) if len(known) == len(watched) else None,
    )
