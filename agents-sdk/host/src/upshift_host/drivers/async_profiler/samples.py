"""What a session brought, as stacks with their true weights. Pure.

- cpu: a `jdk.ExecutionSample` is one sample.
- wall: a `profiler.WallClockSample` is as many as it says: a thread that goes on sleeping is told
  of once.
- alloc: one sample stands for the bytes between two, or for its object where that is larger.
- lock: one sample stands for a period of waiting, or for its whole wait where that was longer. The
  recording itself says only how long that one wait was; of those in between it says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from upshift_agent import Profile

from ..jfr.chunks import NS, Chunk, Event, chunks
from ..jfr.samples import NO_RECORDING, Seen, Stacks

#: Fields: what a sample counts, what it weighs.
_IN_TLAB, _OUTSIDE = "jdk.ObjectAllocationInNewTLAB", "jdk.ObjectAllocationOutsideTLAB"
_CPU, _WALL = "jdk.ExecutionSample", "profiler.WallClockSample"
PROFILES: Mapping[str, Profile] = {
    _CPU: "cpu",
    _WALL: "wall",
    _IN_TLAB: "alloc",
    _OUTSIDE: "alloc",
    "jdk.JavaMonitorEnter": "lock",
    "jdk.ThreadPark": "lock",
}
#: More of one thread's sleep than that is no count.
_MOST_AT_ONCE = 1_000_000


@dataclass(slots=True)
class Recorded:
    """began_s: Unix time. lasted_s: as the session itself has it."""

    began_s: float
    lasted_s: float
    seen: dict[Profile, Seen] = field(default_factory=dict)


def read(recording: bytes, lock_ns: int) -> Recorded:
    """What a session saw. lock_ns: the period of `lock`. Raise `ValueError` for no recording."""
    found: Recorded | None = None
    try:
        for chunk in chunks(recording, PROFILES):
            if found is None:
                found = Recorded(chunk.start_ns / NS, 0.0)
            found.lasted_s += chunk.duration_ns / NS
            stacks = Stacks(chunk)
            for event in chunk.events:
                profile = PROFILES[event.type.name]
                _add(found.seen.setdefault(profile, Seen()), profile, chunk, stacks, event, lock_ns)
    except NO_RECORDING as error:
        raise ValueError(f"no recording: {error}") from error
    if found is None or not found.lasted_s > 0:
        raise ValueError("no recording: it did not end")
    return found


def _add(
    seen: Seen, profile: Profile, chunk: Chunk, stacks: Stacks, event: Event, lock_ns: int
) -> None:
    stack = stacks[_value(event, "stackTrace")]
    count = _value(event, "samples") if event.type.name == _WALL else 1
    if not 0 < count <= _MOST_AT_ONCE:
        raise ValueError(f"a sample that counts {count}")
    if stack is None:
        seen.lost += count
        return
    seen.samples[stack] += count
    if profile == "alloc":
        seen.weights[stack] += _value(
            event, "tlabSize" if event.type.name == _IN_TLAB else "allocationSize"
        )
    elif profile == "lock":
        seen.weights[stack] += max(lock_ns, int(chunk.seconds(_value(event, "duration")) * NS))


def _value(event: Event, name: str) -> Any:
    return event.values[event.type.place(name)]
