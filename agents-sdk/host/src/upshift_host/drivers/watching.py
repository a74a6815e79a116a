"""How much time a profiler had to see: CPU time of processes, and time that they waited for a CPU.

Read from /proc at both ends of a window. What has ended within it cannot be read any more.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from upshift_host.workload import Process

TICKS = os.sysconf("SC_CLK_TCK")
NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Seconds:
    """cpu: on a CPU. waited: ready to run, with no CPU free (0 where the kernel does not count)."""

    cpu: float
    waited: float

    @property
    def runnable(self) -> float:
        """What a profiler sees that asks whether a thread sleeps, and not whether it runs."""
        return self.cpu + self.waited


def alive(process: Process) -> bool:
    """Whether it still runs, and is not another one that was given its pid."""
    fields = _stat(process.pid)
    # Fields 3 and 22 of the whole line; a zombie has ended and waits for its parent.
    return bool(fields) and fields[0] not in "ZX" and int(fields[19]) == process.start_ticks


class Watch:
    """From its making on, how much time these processes spend."""

    def __init__(self, processes: Sequence[Process], *, besides: tuple[str, ...] = ()) -> None:
        """besides: threads whose names begin so do not count."""
        self.processes = processes
        self._besides = besides
        self._before = [_Reading.of(process, besides) for process in processes]

    def seconds(self) -> Seconds | None:
        """So far. None if a process has ended, so that nobody knows."""
        cpu = waited = 0.0
        for process, before in zip(self.processes, self._before, strict=True):
            now = _Reading.of(process, self._besides)
            if before is None or now is None:
                return None
            cpu += now.cpu - before.cpu
            waited += sum(
                spent - before.waited.get(thread, 0.0) for thread, spent in now.waited.items()
            )
        return Seconds(cpu, waited)


@dataclass(frozen=True, slots=True)
class _Reading:
    cpu: float  # seconds of the process, its ended threads included, less those left out
    waited: dict[int, float]  # seconds by thread

    @classmethod
    def of(cls, process: Process, besides: tuple[str, ...]) -> _Reading | None:
        fields = _stat(process.pid)
        if not fields or int(fields[19]) != process.start_ticks:
            return None
        cpu = (int(fields[11]) + int(fields[12])) / TICKS
        waited: dict[int, float] = {}
        folder = f"/proc/{process.pid}/task"
        with suppress(OSError):
            for thread in os.listdir(folder):
                spent = _read(f"{folder}/{thread}/schedstat").split()
                if len(spent) < 2:
                    continue
                if besides and _read(f"{folder}/{thread}/comm").startswith(besides):
                    cpu -= int(spent[0]) / NS
                else:
                    waited[int(thread)] = int(spent[1]) / NS
        return cls(cpu, waited)


def _stat(pid: int) -> list[str]:
    """The fields after the program's name, which may hold blanks and brackets itself."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _read(path: str) -> str:
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
    return ""
