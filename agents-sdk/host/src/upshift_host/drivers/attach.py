"""The driver of one workload whose profiler is run against its processes: py-spy, JFR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from upshift_agent import Decision, Profile
from upshift_host.profiles.export import Exporter
from upshift_host.profiles.window import Window
from upshift_host.workload import Process, Workload

from .book import Book
from .watching import alive
from .window import WINDOW_S, Loop, Run

Rates = Mapping[Profile, int]


class Profiler(Protocol):
    """Runs one kind of profiler against the processes of a workload."""

    @property
    def name(self) -> str: ...

    @property
    def profiles(self) -> tuple[Profile, ...]: ...

    @property
    def overlaps(self) -> bool:
        """Whether the next run may begin before the last one has ended."""
        ...

    def begin(self, workload: Workload, rates: Rates) -> Run[Sequence[Window]]:
        """Run it at these rates, in Hz, all above 0; return once it samples.

        Every process of the workload is alive, or was so just now. Raise `ProfilerFailed`.
        """
        ...


class AttachDriver:
    """An `upshift_agent.Driver`, and three members for whoever runs it; none of them waits."""

    def __init__(
        self,
        profiler: Profiler,
        workload: Workload,
        exporter: Exporter,
        *,
        window_s: float = WINDOW_S,
    ) -> None:
        """Starts nothing. window_s: at most the profiler's own end."""
        self.name = profiler.name
        self.profiles = profiler.profiles
        self._profiler = profiler
        self._workload = workload
        self._exporter = exporter
        self._book = Book(profiler.name)
        self._loop: Loop[Rates, Sequence[Window]] = Loop(
            profiler.name,
            self._begin,
            took=self._took,
            failed=self._book.failed,
            overlap=profiler.overlaps,
            window_s=window_s,
        )

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        """Run at these frequencies; return once that is so. Raise `ProfilerFailed`."""
        rates: Rates = {
            profile: decision.hz for profile, decision in decisions.items() if decision.hz > 0
        }
        with self._book.changing(rates):
            self._loop.set(rates or None)
        return None  # so soon nobody knows

    def close(self) -> None:
        with self._book.changing({}):
            self._loop.set(None)

    def achieved(self) -> Mapping[Profile, float]:
        """Samples a second of the time watched, of profiles of which enough was seen to tell."""
        return self._book.achieved()

    def trouble(self) -> tuple[int, str] | None:
        """How many windows in a row brought nothing, and why the last one did not; None: none."""
        return self._book.trouble()

    def processes(self, processes: tuple[Process, ...]) -> None:
        """The workload is made of these from now on; the next window begins at once."""
        self._workload = Workload(
            attributes=self._workload.attributes,
            language=self._workload.language,
            processes=processes,
        )
        self._loop.renew()

    def _begin(self, rates: Rates) -> Run[Sequence[Window]] | None:
        workload = self._workload
        living = tuple(process for process in workload.processes if alive(process))
        if not living:
            return None  # it has ended, which is no fault of the profiler's
        return self._profiler.begin(
            Workload(attributes=workload.attributes, language=workload.language, processes=living),
            rates,
        )

    def _took(self, windows: Sequence[Window]) -> None:
        self._book.took(windows)
        for window in windows:
            if window.samples:
                self._exporter.send(window)
