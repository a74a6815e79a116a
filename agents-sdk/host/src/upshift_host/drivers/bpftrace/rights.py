"""Whether bpftrace may do here what it has to."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from upshift_host.workload import Workload

from ..child import why_not as why_no_child

PROGRAM = "bpftrace"
#: The initial pid namespace has this inode on every Linux.
INITIAL_PIDS = "pid:[4026531836]"
#: Capabilities 21, and 38 with 39.
SYS_ADMIN = 1 << 21
BPF_AND_PERFMON = 1 << 38 | 1 << 39

#: Where tracefs is mounted.
TRACING = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))


def why_not(_workload: Workload) -> str | None:
    """Why bpftrace cannot sample this workload, None where it can."""
    if lacking := why_no_child(PROGRAM):
        return lacking
    if os.geteuid() != 0:
        return f"{PROGRAM} runs as root only"
    with suppress(OSError):
        if os.readlink("/proc/self/ns/pid") != INITIAL_PIDS:
            return "eBPF tells pids of the host, and this is a pid namespace below it: set hostPID"
    rights = _rights()
    if not rights & SYS_ADMIN and rights & BPF_AND_PERFMON != BPF_AND_PERFMON:
        return "may not load eBPF programs: it takes CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN"
    return None


def sees_switches() -> bool:
    """Whether the scheduler's switches can be followed, without which there is no wall."""
    return any((folder / "events/sched/sched_switch").exists() for folder in TRACING)


def _rights() -> int:
    """The effective capabilities of this process, a bit each."""
    with suppress(OSError), open("/proc/self/status", encoding="utf-8") as status:
        for line in status:
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16)
    return 0
