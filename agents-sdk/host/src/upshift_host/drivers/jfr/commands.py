"""What is said to Flight Recorder, and what it answers. Pure.

A command is made of names that are written here and of checked numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from upshift_agent import Profile

#: All of our recordings are called so, with a number of their own behind it.
OURS = "upshift-"
#: Its sampler takes whole milliseconds, from 1 up.
HIGHEST_HZ = 1000
#: From this JDK on a command can say what an event is to record.
SINCE = 17
#: From this JDK on CPU time is what is sampled, on Linux.
CPU_TIME_SINCE = 25

BY_THREAD, BY_CPU_TIME = "jdk.ExecutionSample", "jdk.CPUTimeSample"
ALLOCATION, MONITOR = "jdk.ObjectAllocationSample", "jdk.JavaMonitorEnter"

_VERSION = re.compile(r"^JDK (\d+)", re.MULTILINE)
_RECORDING = re.compile(
    r"Recording \d+: name=(?P<name>.*?)(?: (?:duration|maxsize|maxage)=.*)? \((?P<state>\w+)\)\s*"
)
_SETTINGS = re.compile(r"\s*\[(?P<settings>.*)\]")
_EVENT = re.compile(r".*\((?P<event>[\w.]+)\)\s*")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|ms|s)")
_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, slots=True)
class Other:
    """A recording that is not ours. period_ms: of its samples of threads, None: it takes none.
    cpu_time: whether it samples CPU time."""

    name: str
    period_ms: float | None
    cpu_time: bool


def version(said: str) -> int:
    """The JDK's, of the answer to `VM.version`; 0 where it cannot be told."""
    match = _VERSION.search(said)
    return int(match[1]) if match else 0


def period_ms(hz: int) -> int:
    """Whole milliseconds between two samples, the nearest there are."""
    return max(1, round(1000 / hz))


def start(
    name: str,
    rates: Mapping[Profile, int],
    cpu_event: str,
    own_end_s: int,
    *,
    alone: bool = True,
) -> str:
    """Begin a recording. cpu_event: BY_THREAD or BY_CPU_TIME.

    alone: whether no other one runs. Then it is in memory; beside others such a one ends empty, so
    it is in the JVM's own repository.

    /dev/null is where it goes if it has to end by itself: JDK 25 would make a file for that in the
    application's own folder.

    alloc: at most so many samples a second, each weighing what was allocated since the last one.
    lock: waits of at least one period, so a thread that only waits tells of at most so many.
    """
    if not re.fullmatch(rf"{OURS}[0-9a-f]+", name):
        raise ValueError(f"no name of a recording of ours: {name!r}")
    settings: dict[str, str] = {}
    if hz := int(rates.get("cpu", 0)):
        settings[f"{cpu_event}#enabled"] = "true"
        of = "throttle" if cpu_event == BY_CPU_TIME else "period"
        settings[f"{cpu_event}#{of}"] = f"{period_ms(hz)}ms"
    if hz := int(rates.get("alloc", 0)):
        settings[f"{ALLOCATION}#enabled"] = "true"
        settings[f"{ALLOCATION}#throttle"] = f"{hz}/s"
    if hz := int(rates.get("lock", 0)):
        settings[f"{MONITOR}#enabled"] = "true"
        settings[f"{MONITOR}#threshold"] = f"{period_ms(hz)}ms"
        settings[f"{MONITOR}#stackTrace"] = "true"
    # Without the + a setting that `none` does not have is refused.
    added = " ".join(f"+{setting}={value}" for setting, value in settings.items())
    return (
        f"JFR.start name={name} settings=none disk={'false' if alone else 'true'} dumponexit=false "
        f"duration={int(own_end_s)}s filename=/dev/null {added}"
    )


def started(said: str) -> bool:
    """Whether a recording began, of the answer to `JFR.start`: what has no Flight Recorder answers
    in words, and without an error."""
    return said.lstrip().startswith("Started recording")


def running(said: str) -> int:
    """How many recordings run, ours among them, of the answer to `JFR.check`."""
    found = (_RECORDING.fullmatch(line) for line in said.splitlines())
    return sum(match is not None and match["state"] == "running" for match in found)


def others(said: str) -> list[Other]:
    """Recordings besides ours that run, of the answer to `JFR.check verbose=true`."""
    found: list[Other] = []
    event, runs = "", False
    for line in said.splitlines():
        if match := _RECORDING.fullmatch(line):
            runs = match["state"] == "running" and not match["name"].startswith(OURS)
            if runs:
                found.append(Other(match["name"], None, False))
        elif match := _SETTINGS.fullmatch(line):
            if runs:
                found[-1] = _with(found[-1], event, match["settings"])
        elif match := _EVENT.fullmatch(line):
            event = match["event"]
    return found


def _with(other: Other, event: str, settings: str) -> Other:
    values = dict(part.split("=", 1) for part in settings.split(",") if "=" in part)
    if values.get("enabled") != "true":
        return other
    if event == BY_CPU_TIME:
        return Other(other.name, other.period_ms, True)
    if event == BY_THREAD and (match := _SPAN.search(values.get("period", ""))):
        return Other(other.name, float(match[1]) * _MS[match[2]], other.cpu_time)
    return other
