"""What the kernel says of a process: CPU, wake-ups, memory, connections. Linux only."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """cpu_s: of all threads that live now; wakeups: voluntary context switches of the same."""

    cpu_s: float
    wakeups: int


def usage(pid: int) -> Usage:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    wakeups = sum(_field(task / "status", "voluntary_ctxt_switches") for task in tasks)
    return Usage(cpu_s(pid), wakeups)


def cpu_s(pid: int) -> float:
    """CPU seconds of all threads that live now."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def children(pid: int) -> list[int]:
    """Those that live, of all threads."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def family_cpu_s(pid: int) -> tuple[float, float]:
    """CPU seconds of a process and of its children, each with what of it has ended by now."""
    own, ended = _cpu_s(pid)
    living = 0.0
    for child in children(pid):
        with suppress(OSError):  # it ended just now
            living += sum(_cpu_s(child))
    return own, ended + living


def children_mib(pid: int) -> float:
    """Resident memory of a process's children, in MiB."""
    total = 0.0
    for child in children(pid):
        with suppress(OSError, LookupError):  # it ended just now
            total += resident_mib(child)
    return total


def _cpu_s(pid: int) -> tuple[float, float]:
    """Of it, its ended threads included, and of its children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, of_children, in_system = map(int, fields[11:15])
    tick = os.sysconf("SC_CLK_TCK")
    return (user + system) / tick, (of_children + in_system) / tick


def resident_mib(pid: int) -> float:
    """Resident memory, in MiB."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS") / 1024


def connections(pid: int, port: int) -> int:
    """TCP connections of a process to a port of this machine that are established."""
    held = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held.add(os.readlink(descriptor))
        except FileNotFoundError:  # closed meanwhile
            continue
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    remote = f"0100007F:{port:04X}"
    established = "01"
    return sum(
        row[2] == remote and row[3] == established and f"socket:[{row[9]}]" in held for row in rows
    )


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(f"{path} has no {name}")
