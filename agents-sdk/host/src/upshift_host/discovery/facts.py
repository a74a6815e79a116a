"""What is known of one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..workload import Process
from .cgroups import Placed, place
from .procfs import Procfs

#: Of the environment, which may hold secrets, nothing else is kept.
KEPT = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "HOSTNAME")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """exe: the program's path. command: its arguments, with a blank between them.

    environment: `KEPT` of it. inner_pid: its pid as it sees itself. network: its namespace.
    """

    process: Process
    parent: int
    exe: str = ""
    command: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    placed: Placed = field(default_factory=Placed)
    inner_pid: int = 0
    network: str = ""


def read_facts(procfs: Procfs, pid: int) -> Facts | None:
    """All of one process; None if it has ended, or ends meanwhile."""
    stat = procfs.stat(pid)
    if stat is None or stat.ended:
        return None
    environment = procfs.environment(pid)
    facts = Facts(
        process=Process(pid, stat.start_ticks),
        parent=stat.parent,
        exe=procfs.exe(pid),
        command=command_of(procfs, pid),
        environment={name: environment[name] for name in KEPT if name in environment},
        placed=place(procfs.cgroups(pid)),
        inner_pid=procfs.inner_pid(pid),
        network=procfs.namespace(pid, "net"),
    )
    last = procfs.stat(pid)
    return facts if last and last.start_ticks == stat.start_ticks else None


def command_of(procfs: Procfs, pid: int) -> str:
    return " ".join(procfs.command(pid))
