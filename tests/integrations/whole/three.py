"""Three services in three languages, each for another driver."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from host.drivers.jfr.jdks import JAVAS, WALKS
from host.processes import busy_python, compiled_c, compiled_java
from integrations.whole.world import Command

NEEDS = ("javac", "cc", "bpftrace", "root, for networks of its own")
#: Service → the driver that is to carry it.
DRIVERS = {"billing": "jfr", "stock": "py-spy", "till": "bpftrace"}
#: Python and Java have a profiler of their own; what has none is left to eBPF.
STRATEGY = "[{method: push, priority: 1}, {method: ebpf, priority: 2}]"


def three_languages(folder: Path) -> Mapping[str, Command]:
    """The command of each."""
    version = max(JAVAS)
    java = [JAVAS[version], "-Xmx64m", *WALKS[version], "-cp", compiled_java(folder), "Busy"]
    return {
        "billing": [*java, "1", "cpu"],
        "stock": busy_python(),
        "till": [compiled_c(folder)],
    }
