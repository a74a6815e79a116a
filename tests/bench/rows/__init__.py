"""Every row of `make bench`, by the name under which it runs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..results import Row
from ..sizes import Size
from . import agent, growth, latency, profiler, status, stored, throughput

#: Measures with the processes that it starts in a folder of its own; yields lines of the table.
Measure = Callable[[Size, Path], Iterator[Row]]

ROWS: dict[str, Measure] = {
    "one-agent": latency.one_agent,
    "thousand-agents": latency.crowd,
    "webhooks": throughput.webhooks,
    "groups": throughput.groups,
    "duplicates": throughput.duplicates,
    "stored": stored.commit,
    "due": stored.due,
    "status": status.status,
    "idle": agent.idle,
    "import": agent.imports,
    "switch": profiler.switch,
    "overhead": profiler.overhead,
    "growth-agents": growth.agents,
    "growth-targets": growth.targets,
    "growth-leases": growth.leases,
}
