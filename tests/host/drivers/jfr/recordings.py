"""Recordings as Flight Recorder writes them, made by hand: one chunk, with what samples need."""

from __future__ import annotations

import struct
from collections.abc import Sequence

#: Types: their ids, names, and fields (name, id of its type, whether a key of a pool, an array).
TYPES: dict[int, tuple[str, tuple[tuple[str, int, bool, bool], ...]]] = {
    1: ("long", ()),
    2: ("int", ()),
    3: ("boolean", ()),
    4: ("java.lang.String", ()),
    10: ("jdk.types.Symbol", (("string", 4, False, False),)),
    11: ("java.lang.Class", (("name", 10, True, False),)),
    12: ("jdk.types.Method", (("type", 11, True, False), ("name", 10, True, False))),
    13: ("jdk.types.StackFrame", (("method", 12, True, False), ("lineNumber", 2, False, False))),
    14: (
        "jdk.types.StackTrace",
        (("truncated", 3, False, False), ("frames", 13, False, True)),
    ),
    20: ("jdk.ExecutionSample", (("startTime", 1, False, False), ("stackTrace", 14, True, False))),
    21: (
        "jdk.ObjectAllocationSample",
        (
            ("startTime", 1, False, False),
            ("stackTrace", 14, True, False),
            ("weight", 1, False, False),
        ),
    ),
    22: (
        "jdk.JavaMonitorEnter",
        (
            ("startTime", 1, False, False),
            ("duration", 1, False, False),
            ("stackTrace", 14, True, False),
        ),
    ),
    23: ("jdk.Other", (("startTime", 1, False, False),)),
    # Those that async-profiler has besides.
    24: (
        "profiler.WallClockSample",
        (
            ("startTime", 1, False, False),
            ("stackTrace", 14, True, False),
            ("samples", 2, False, False),
        ),
    ),
    25: (
        "jdk.ObjectAllocationInNewTLAB",
        (
            ("startTime", 1, False, False),
            ("stackTrace", 14, True, False),
            ("allocationSize", 1, False, False),
            ("tlabSize", 1, False, False),
        ),
    ),
    26: (
        "jdk.ThreadPark",
        (
            ("startTime", 1, False, False),
            ("duration", 1, False, False),
            ("stackTrace", 14, True, False),
        ),
    ),
}
START_NS = 1_800_000_000_000_000_000
START_TICKS = 5_000
TICKS = 1_000_000  # a second


def number(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    for _ in range(8):
        if value < 0x80:
            out.append(value)
            return bytes(out)
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"\x03" + number(len(encoded)) + encoded


def sized(content: bytes) -> bytes:
    """An event: its size comes first, and counts itself."""
    for width in range(1, 6):
        head = number(len(content) + width)
        if len(head) == width:
            return head + content
    raise AssertionError


def at(seconds: float) -> int:
    """Ticks of a moment, in seconds since the chunk began."""
    return START_TICKS + int(seconds * TICKS)


def sample(seconds: float, stack: int) -> bytes:
    return sized(number(20) + number(at(seconds)) + number(stack))


def allocation(seconds: float, stack: int, weight: int) -> bytes:
    return sized(number(21) + number(at(seconds)) + number(stack) + number(weight))


def wait(seconds: float, stack: int, lasted_s: float) -> bytes:
    lasted = number(int(lasted_s * TICKS))
    return sized(number(22) + number(at(seconds)) + lasted + number(stack))


def asleep(seconds: float, stack: int, samples: int) -> bytes:
    return sized(number(24) + number(at(seconds)) + number(stack) + number(samples))


def in_tlab(seconds: float, stack: int, size: int, weight: int) -> bytes:
    sizes = number(size) + number(weight)
    return sized(number(25) + number(at(seconds)) + number(stack) + sizes)


def park(seconds: float, stack: int, lasted_s: float) -> bytes:
    lasted = number(int(lasted_s * TICKS))
    return sized(number(26) + number(at(seconds)) + lasted + number(stack))


def other(seconds: float) -> bytes:
    return sized(number(23) + number(at(seconds)))


def chunk(
    events: Sequence[bytes], stacks: Sequence[tuple[bool, Sequence[str]]], lasted_s: float = 0
) -> bytes:
    """stacks: of each whether it is cut off, and its methods, innermost first, `pkg/Class.name`;
    their keys count from 1."""
    body = b"".join(events)
    checkpoint_at = 68 + len(body)
    checkpoint = _checkpoint(stacks)
    metadata = _metadata()
    size = checkpoint_at + len(checkpoint) + len(metadata)
    head = struct.pack(
        ">4s2H7q4B",
        b"FLR\0",
        2,
        1,
        size,
        checkpoint_at,
        checkpoint_at + len(checkpoint),
        START_NS,
        int(lasted_s * 1e9),
        START_TICKS,
        TICKS,
        *(1, 0, 0, 1),
    )
    return head + body + checkpoint + metadata


def _checkpoint(stacks: Sequence[tuple[bool, Sequence[str]]]) -> bytes:
    symbols: dict[str, int] = {}
    methods: dict[str, int] = {}

    def key(of: dict[str, int], value: str) -> int:
        return of.setdefault(value, len(of) + 1)

    traces = b""
    for place, (truncated, frames) in enumerate(stacks, 1):
        listed = b"".join(number(key(methods, name)) + number(7) for name in frames)
        traces += number(place) + bytes([truncated]) + number(len(frames)) + listed
    classes: dict[str, int] = {}
    made = b""
    for name, id_ in methods.items():
        owner, _, called = name.rpartition(".")
        made += number(id_) + number(key(classes, owner)) + number(key(symbols, called))
    owners = b"".join(number(id_) + number(key(symbols, name)) for name, id_ in classes.items())
    texts = b"".join(number(id_) + text(name) for name, id_ in symbols.items())
    pools = [
        (14, len(stacks), traces),
        (12, len(methods), made),
        (11, len(classes), owners),
        (10, len(symbols), texts),
    ]
    content = b"".join(number(id_) + number(count) + pool for id_, count, pool in pools)
    return sized(number(1) + number(0) * 3 + b"\x01" + number(len(pools)) + content)


def _metadata() -> bytes:
    texts: dict[str, int] = {}

    def key(value: str) -> bytes:
        return number(texts.setdefault(value, len(texts)))

    def element(name: str, attributes: dict[str, str], inside: list[bytes]) -> bytes:
        named = b"".join(key(it) + key(value) for it, value in attributes.items())
        return key(name) + number(len(attributes)) + named + number(len(inside)) + b"".join(inside)

    types = []
    for id_, (name, fields) in TYPES.items():
        inside = []
        for called, type_, pooled, array in fields:
            attributes = {"name": called, "class": str(type_)}
            if pooled:
                attributes["constantPool"] = "true"
            if array:
                attributes["dimension"] = "1"
            inside.append(element("field", attributes, [element("annotation", {}, [])]))
        types.append(element("class", {"id": str(id_), "name": name}, inside))
    tree = element("root", {}, [element("metadata", {}, types), element("region", {}, [])])
    listed = number(len(texts)) + b"".join(text(it) for it in texts)
    return sized(number(0) + number(0) * 3 + listed + tree)
