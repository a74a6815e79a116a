"""The table of drivers: what each can raise, of which processes, and why it cannot here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from upshift_agent import Decision, Profile
from upshift_host.fallback import Method
from upshift_host.profiles.export import Exporter
from upshift_host.workload import LANGUAGES, Language, Process, Workload

from . import py_spy
from .attach import AttachDriver
from .bpftrace import node, rights
from .jfr import attach as jvm
from .jfr import recording as jfr

_NODE = node.Node()


class Attached(Protocol):
    """An `upshift_agent.Driver`, and what it tells of its windows. Of that nothing waits, and any
    thread may ask."""

    @property
    def name(self) -> str: ...

    @property
    def profiles(self) -> tuple[Profile, ...]: ...

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        """Run at these frequencies; return once that is so. Raise `ProfilerFailed`."""
        ...

    def close(self) -> None:
        """End the profiler; what it saw is sent. It can be applied to again."""
        ...

    def achieved(self) -> Mapping[Profile, float]:
        """Samples a second of the time watched, of profiles of which enough was seen to tell."""
        ...

    def trouble(self) -> tuple[int, str] | None:
        """How many windows in a row brought nothing, and why the last one did not; None: none."""
        ...

    def processes(self, processes: tuple[Process, ...]) -> None:
        """The workload is made of these from now on; the next window begins at once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One driver.

    why_not: None where it can work for this workload, else one line for people. Never raises, and
    asks only the system.
    make: starts nothing.
    """

    name: str
    method: Method
    profiles: tuple[Profile, ...]
    languages: frozenset[Language]
    why_not: Callable[[Workload], str | None]
    make: Callable[[Workload, Exporter], Attached]


#: By name; within a method, the ones to be preferred come first.
KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name=rights.PROGRAM,
            method="ebpf",
            profiles=node.PROFILES,
            languages=frozenset(LANGUAGES),
            why_not=rights.why_not,
            make=lambda workload, exporter: node.BpftraceDriver(_NODE, workload, exporter),
        ),
        Kind(
            name=py_spy.PROGRAM,
            method="push",
            profiles=py_spy.PROFILES,
            languages=frozenset({"python"}),
            why_not=py_spy.why_not,
            make=lambda workload, exporter: AttachDriver(py_spy.PySpy(), workload, exporter),
        ),
        Kind(
            name=jfr.NAME,
            method="push",
            profiles=jfr.PROFILES,
            languages=frozenset({"java"}),
            why_not=jvm.why_not,
            make=lambda workload, exporter: AttachDriver(jfr.Jfr(), workload, exporter),
        ),
    )
}
