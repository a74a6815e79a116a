"""What discovery finds and drivers work on: processes, and the workloads that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Language = Literal["python", "java", "go", "node", "native"]
#: native: anything else, C and Rust among it.
LANGUAGES: tuple[Language, ...] = get_args(Language)


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this host. A pid is given to others in time; pid and start never are.

    pid: as the host agent sees it, whatever namespace the process is in.
    start_ticks: when it began, in clock ticks since boot: field 22 of /proc/PID/stat.
    """

    pid: int
    start_ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The processes that make one instance of a service.

    attributes: OpenTelemetry Resource attributes, `service.name` among them.
    processes: at least one, the oldest first.
    """

    attributes: Mapping[str, str]
    language: Language
    processes: tuple[Process, ...]

    def __post_init__(self) -> None:
        if not self.processes:
            raise ValueError("a workload has at least one process")
        if not self.attributes.get("service.name"):
            raise ValueError("a workload has a service.name")
