"""What this kernel and these rights allow, as far as that decides which profilers can work."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..drivers.bpftrace.rights import INITIAL_PIDS

#: Bits of a capability set (linux/capability.h), those that profilers ask for.
CAPABILITIES = {
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_RESOURCE": 24,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
PROGRAMS = ("py-spy", "bpftrace", "setpriv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """None: not to be found out, or not there.

    memlock: bytes that may be locked, None for without limit. programs: their paths.
    """

    release: str
    btf: bool
    capabilities: tuple[str, ...]
    perf_event_paranoid: int | None
    ptrace_scope: int | None
    memlock: int | None
    host_pids: bool
    programs: dict[str, str | None]


def look(root: Path = Path("/"), programs: Iterable[str] = PROGRAMS) -> Kernel:
    """root: where /proc and /sys are."""
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return Kernel(
        release=os.uname().release,
        btf=(root / "sys/kernel/btf/vmlinux").exists(),
        capabilities=capabilities(_text(root / "proc/self/status")),
        perf_event_paranoid=_number(root / "proc/sys/kernel/perf_event_paranoid"),
        ptrace_scope=_number(root / "proc/sys/kernel/yama/ptrace_scope"),
        memlock=None if limit == resource.RLIM_INFINITY else limit,
        host_pids=_link(root / "proc/self/ns/pid") == INITIAL_PIDS,
        programs={name: shutil.which(name) for name in programs},
    )


def capabilities(status: str) -> tuple[str, ...]:
    """Those of `CAPABILITIES` that are in force, by a text of /proc/PID/status. Pure."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            with suppress(ValueError):
                bits = int(value, 16)
                return tuple(name for name, bit in CAPABILITIES.items() if bits >> bit & 1)
    return ()


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text("utf-8", "replace")
    return ""


def _number(path: Path) -> int | None:
    with suppress(ValueError):
        return int(_text(path))
    return None


def _link(path: Path) -> str:
    with suppress(OSError):
        return os.readlink(path)
    return ""
