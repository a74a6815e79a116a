"""A recording's events as stacks: what each profile saw between two moments. Pure."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from upshift_agent import Profile
from upshift_host.profiles.window import NS, Stack

from .chunks import Chunk, Event, chunks
from .commands import ALLOCATION, BY_CPU_TIME, BY_THREAD, MONITOR

PROFILES: Mapping[str, Profile] = {
    BY_THREAD: "cpu",
    BY_CPU_TIME: "cpu",
    ALLOCATION: "alloc",
    MONITOR: "lock",
}
#: The field that says what one event weighs.
WEIGHT = {ALLOCATION: "weight", MONITOR: "duration"}
#: What comes of bytes that are none: anything may stand where anything else belongs.
NO_RECORDING = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, struct.error)
#: In place of callers that Flight Recorder did not walk up to: it stops at 64 frames.
TRUNCATED = "[truncated]"
UNKNOWN = "[unknown]"


@dataclass(slots=True)
class Seen:
    """samples: how often each stack. weights: bytes, or nanoseconds, of alloc and lock.
    lost: samples whose stack the JVM could not walk."""

    samples: Counter[Stack] = field(default_factory=Counter)
    weights: Counter[Stack] = field(default_factory=Counter)
    lost: int = 0


def read(
    recording: bytes, events: frozenset[str], began_s: float, ended_s: float
) -> dict[Profile, Seen]:
    """What was seen from `began_s` until `ended_s`, in Unix time, by these types of events.

    Raise `ValueError` for what is no recording.
    """
    found: dict[Profile, Seen] = {}
    try:
        for chunk in chunks(recording, events):
            stacks = Stacks(chunk)
            for event in chunk.events:
                moment = chunk.unix_s(event.values[event.type.place("startTime")])
                if began_s <= moment < ended_s:
                    _add(found.setdefault(PROFILES[event.type.name], Seen()), chunk, stacks, event)
    except NO_RECORDING as error:
        raise ValueError(f"no recording: {error}") from error
    return found


def _add(seen: Seen, chunk: Chunk, stacks: Stacks, event: Event) -> None:
    stack = stacks[event.values[event.type.place("stackTrace")]]
    if stack is None:
        seen.lost += 1
        return
    seen.samples[stack] += 1
    if weight := WEIGHT.get(event.type.name):
        amount = event.values[event.type.place(weight)]
        if event.type.name == MONITOR:
            amount = int(chunk.seconds(amount) * NS)
        seen.weights[stack] += amount


class Stacks:
    """The stacks of a chunk by their keys, each put together once."""

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk
        self._types = {type_.name: type_ for type_ in chunk.types.values()}
        self._stacks: dict[int, Stack | None] = {}
        self._methods: dict[int, str] = {}

    def __getitem__(self, key: int) -> Stack | None:
        if key not in self._stacks:
            self._stacks[key] = self._stack(key)
        return self._stacks[key]

    def _stack(self, key: int) -> Stack | None:
        trace = self._types["jdk.types.StackTrace"]
        found = self._chunk.pooled(trace.id, key)
        if not found:
            return None
        frames = found[trace.place("frames")]
        method = self._types["jdk.types.StackFrame"].place("method")
        stack = tuple(self._method(frame[method]) for frame in reversed(frames))
        if not stack:
            return None
        return (TRUNCATED, *stack) if found[trace.place("truncated")] else stack

    def _method(self, key: int) -> str:
        if key not in self._methods:
            method, class_ = self._types["jdk.types.Method"], self._types["java.lang.Class"]
            found = self._chunk.pooled(method.id, key)
            if not found:
                return UNKNOWN
            owner = self._chunk.pooled(class_.id, found[method.place("type")])
            of = self._symbol(owner[class_.place("name")]) if owner else UNKNOWN
            name = self._symbol(found[method.place("name")])
            self._methods[key] = f"{of.replace('/', '.')}.{name}" if of else name
        return self._methods[key]

    def _symbol(self, key: int) -> str:
        found = self._chunk.pooled(self._types["jdk.types.Symbol"].id, key)
        return str(found[0]) if found and found[0] is not None else UNKNOWN
