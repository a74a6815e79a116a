"""The one bpftrace of the node, and the driver by which each workload takes part in it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from upshift_agent import Decision, Profile
from upshift_host.profiles.export import Exporter
from upshift_host.profiles.window import Stack, Window
from upshift_host.workload import Process, Workload

from ..book import Book
from ..child import Child
from ..errors import ProfilerFailed
from ..watching import Watch, alive
from ..window import OWN_END_S, WINDOW_S, Loop, Run
from . import program
from .rights import PROGRAM, sees_switches

PROFILES: tuple[Profile, ...] = ("cpu", "wall") if sees_switches() else ("cpu",)
HIGHEST_HZ = 1000
#: It compiles its program first; on a busy machine that takes a while.
START_S = 20.0
#: Then it looks up the names of everything that it saw.
END_S = 10.0
#: Stacks that it tells apart, under the names that its versions have for that.
ENVIRONMENT = {"BPFTRACE_MAP_KEYS_MAX": "16384", "BPFTRACE_MAX_MAP_KEYS": "16384"}


@dataclass(frozen=True, slots=True)
class Share:
    """What one driver wants of the node's bpftrace. hz: of the profiles that are on."""

    driver: BpftraceDriver
    workload: Workload
    hz: Mapping[Profile, int]


Shares = tuple[Share, ...]
Brought = list[tuple["BpftraceDriver", Window]]


class Node:
    """One process at a time, at most, but for the moment in which one takes over from another."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._books = threading.Lock()
        self._shares: dict[BpftraceDriver, Share] = {}
        self._turn = threading.Lock()  # held while a change is made
        self._running: Shares | None = ()  # None: nobody knows
        self._loop: Loop[Shares, Brought] = Loop(
            PROGRAM, _Sampling.begin, took=_took, failed=self._failed, window_s=window_s
        )

    def set(self, driver: BpftraceDriver, workload: Workload, hz: Mapping[Profile, int]) -> None:
        """Sample it at `hz`, empty: no more. Return once that is so. Raise `ProfilerFailed`; the
        others go on."""
        self._note(driver, Share(driver, workload, hz) if hz else None)
        with self._turn:
            # Whoever waited here finds that the one before has made this change along with its own.
            wanted = self._wanted()
            if wanted == self._running:
                return
            try:
                self._loop.set(wanted or None)
            except ProfilerFailed:
                # Nothing runs now. The others are to go on, and one that leaves has left.
                self._note(driver, None)
                self._want()
                if hz:
                    raise
            else:
                self._running = wanted

    def renew(self, driver: BpftraceDriver, workload: Workload) -> None:
        """From the next window on, which begins at once, its processes are these."""
        with self._books:
            share = self._shares.get(driver)
            if share is None:
                return
            self._shares[driver] = Share(driver, workload, share.hz)
        with self._turn:
            self._want()

    def _want(self) -> None:
        """Go on with what is wanted, without waiting for it."""
        self._running = None
        self._loop.want(self._wanted() or None)

    def _note(self, driver: BpftraceDriver, share: Share | None) -> None:
        with self._books:
            if share is None:
                self._shares.pop(driver, None)
            else:
                self._shares[driver] = share

    def _wanted(self) -> Shares:
        with self._books:
            return tuple(self._shares.values())

    def _failed(self, reason: str) -> None:
        for share in self._wanted():
            share.driver.book.failed(reason)


class BpftraceDriver:
    """An `upshift_agent.Driver` of one workload; `drivers.attach` says what else it tells."""

    name = PROGRAM
    profiles = PROFILES

    def __init__(self, node: Node, workload: Workload, exporter: Exporter) -> None:
        """Starts nothing."""
        self._node = node
        self._workload = workload
        self._exporter = exporter
        self.book = Book(PROGRAM)

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        """Take part at this frequency; return once that is so. Raise `ProfilerFailed`."""
        hz = {it: min(one.hz, HIGHEST_HZ) for it, one in decisions.items() if one.hz}
        with self.book.changing(hz):
            self._node.set(self, self._workload, hz)
        return {it: float(hz[it]) for it in hz if hz[it] < decisions[it].hz} or None

    def close(self) -> None:
        with self.book.changing({}):
            self._node.set(self, self._workload, {})

    def achieved(self) -> Mapping[Profile, float]:
        return self.book.achieved()

    def trouble(self) -> tuple[int, str] | None:
        return self.book.trouble()

    def processes(self, processes: tuple[Process, ...]) -> None:
        self._workload = Workload(
            attributes=self._workload.attributes,
            language=self._workload.language,
            processes=processes,
        )
        self._node.renew(self, self._workload)

    def took(self, window: Window) -> None:
        self.book.took([window])
        if window.samples:
            self._exporter.send(window)


def _took(brought: Brought) -> None:
    for driver, window in brought:
        driver.took(window)


class _Sampling:
    """One bpftrace that samples."""

    def __init__(
        self, child: Child, waits: Mapping[int, int], watched: list[tuple[Share, Watch]]
    ) -> None:
        self._child = child
        self._waits = waits
        self._watched = watched
        self._read = time.monotonic()

    @classmethod
    def begin(cls, shares: Shares) -> Run[Brought] | None:
        rates: dict[int, int] = {}
        waits: dict[int, int] = {}
        watched: list[tuple[Share, tuple[Process, ...]]] = []
        for share in shares:
            living = tuple(it for it in share.workload.processes if alive(it))
            for profile, hz in share.hz.items():
                of_profile = waits if profile == "wall" else rates
                of_profile.update({process.pid: hz for process in living})
            if living:
                watched.append((share, living))
        if not watched:
            return None
        child = Child(
            PROGRAM,
            ["-f", "json", "-B", "line", "-e", program.write(rates, OWN_END_S, waits)],
            output=True,
            environment=ENVIRONMENT,
        )
        child.wait_for(lambda it: program.moment(it.output(), program.BEGAN) is not None, START_S)
        return cls(child, waits, [(share, Watch(living)) for share, living in watched])

    def over(self) -> bool:
        return self._child.ended()

    def end(self) -> Brought:
        try:
            self._child.interrupt()
            watched = self._watched_until_its_end()
            if self._child.finish(END_S) != 0:
                raise ProfilerFailed(self._child.failure())
            output = self._child.output()
        finally:
            self._child.close()
        began = program.moment(output, program.BEGAN)
        ended = program.moment(output, program.ENDED)
        if began is None or ended is None or ended <= began:
            raise ProfilerFailed(f"{PROGRAM} did not say when it began and ended")
        seen = {"cpu": program.read(output)}
        if self._waits:
            seen["wall"] = program.read_waits(output, self._waits, ended)
        began_s = time.time() - time.monotonic() + began
        brought: Brought = []
        for share, watch, cpu_share in watched:
            for profile, hz in share.hz.items():
                samples: Counter[Stack] = Counter()
                for process in watch.processes:
                    samples.update(seen[profile].get(process.pid, {}))
                spent = cpu_share if profile == "cpu" else None
                window = Window(
                    attributes=share.workload.attributes,
                    profile=profile,
                    profiler=PROGRAM,
                    hz=hz,
                    began_s=began_s,
                    ended_s=began_s + ended - began,
                    samples=samples,
                    # How many threads there were to wait nobody counts.
                    threads_s=None if spent is None else spent * (ended - began),
                )
                brought.append((share.driver, window))
        return brought

    def _watched_until_its_end(self) -> list[tuple[Share, Watch, float | None]]:
        """Seconds of CPU in each second that there was: its first and its last are told late."""
        deadline = time.monotonic() + END_S
        while not self._child.ended() and time.monotonic() < deadline:
            if program.ENDED in self._child.output():
                break
            time.sleep(0.01)
        read_s = max(time.monotonic() - self._read, 1e-3)
        read = [(share, watch, watch.seconds()) for share, watch in self._watched]
        return [
            (share, watch, None if seconds is None else seconds.cpu / read_s)
            for share, watch, seconds in read
        ]
