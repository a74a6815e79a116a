"""What is said to async-profiler, and what its answers mean. Pure.

Options are made of names that are written here and of checked numbers.

A session is written as Flight Recorder writes: that is the one output of it that takes several
events at once, and a JVM has one session. The others, `collapsed` among them, take one event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from upshift_agent import Profile

#: ctimer: one for each thread. itimer: one for the process, whichever thread it finds on a CPU.
Timer = Literal["ctimer", "itimer"]
NS = 1_000_000_000
#: Above this a session is a load by itself.
HIGHEST_HZ = 1000
#: Bytes between two samples of allocations while nobody knows yet how much a JVM allocates.
FIRST_ALLOC = 2 * 1024 * 1024
_LEAST_ALLOC, _MOST_ALLOC = 16 * 1024, 1024 * 1024 * 1024

_RECORDING = re.compile(r"upshift-[0-9a-f]{32}\.jfr")
_LOG = re.compile(r"asprof-log\.[0-9a-f]{32}")


def period_ns(hz: int) -> int:
    return round(NS / hz)


def in_force(rates: Mapping[Profile, int], ticks_hz: int) -> dict[Profile, int]:
    """What it does of the Hz that are asked for. ticks_hz: the kernel's; a timer of CPU time fires
    no more often."""
    return {
        profile: min(hz, ticks_hz if profile == "cpu" else HIGHEST_HZ)
        for profile, hz in rates.items()
    }


def alloc_bytes(hz: int, bytes_per_s: float | None) -> int:
    """Bytes between two samples, so that there are `hz` a second. bytes_per_s: as it was seen to
    allocate; None: not yet."""
    if bytes_per_s is None:
        return FIRST_ALLOC
    return int(min(max(bytes_per_s / hz, _LEAST_ALLOC), _MOST_ALLOC))


def start(
    recording: str,
    log: str,
    rates: Mapping[Profile, int],
    alloc: int,
    own_end_s: int,
    timer: Timer = "ctimer",
) -> str:
    """Begin a session that ends by itself. recording, log: names for files in the JVM's /tmp.

    alloc: bytes between two samples. A lock's sample is of a period spent waiting, whoever waits.
    """
    if not _RECORDING.fullmatch(recording):
        raise ValueError(f"no name of a recording of ours: {recording!r}")
    options = ["start", "jfr", f"timeout={int(own_end_s)}", f"file=/tmp/{recording}"]
    if hz := int(rates.get("cpu", 0)):
        # Timers take no right, and no perf_event_paranoid.
        options += [f"event={timer}", f"interval={period_ns(hz)}"]
    if hz := int(rates.get("wall", 0)):
        options.append(f"wall={period_ns(hz)}")
    if rates.get("alloc", 0):
        options.append(f"alloc={int(alloc)}")
    if hz := int(rates.get("lock", 0)):
        options.append(f"lock={period_ns(hz)}")
    return ",".join([*options, *_said_in(log)])


def stop(log: str) -> str:
    return ",".join(["stop", *_said_in(log)])


def status(log: str) -> str:
    return ",".join(["status", *_said_in(log)])


def _said_in(log: str) -> list[str]:
    """Otherwise it would speak on the application's standard output."""
    if not _LOG.fullmatch(log):
        raise ValueError(f"no name of a log of ours: {log!r}")
    return ["quiet", f"log=/tmp/{log}"]


def already(said: str) -> bool:
    """Whether a session runs already, of what it says to `start`."""
    return "already started" in said


def runs(said: str) -> bool:
    """Whether a session runs, of what it says to `status`; yes where it says anything else."""
    return "not active" not in said
