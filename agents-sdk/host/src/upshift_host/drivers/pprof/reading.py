"""What a pprof says: how often each stack was seen, and what that weighs. Pure.

As much of google/pprof's profile.proto as that takes. A target may answer anything: what is no
profile, or takes more room than any program of anybody's, is one `ValueError`.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from upshift_host.profiles.window import Stack

MAX_BYTES = 32 * 1024 * 1024
MAX_TEXT = 64 * 1024 * 1024  # characters of all stacks, each written out
MAX_ITEMS = 250_000  # samples, locations, functions or texts
MAX_DEPTH = 512  # locations of a stack that are kept, the innermost
MAX_INLINED = 64  # calls in one location
MAX_NAME = 1000  # characters
MAX_TYPES = 64
UNKNOWN = "[unknown]"
_GZIP = b"\x1f\x8b"
#: Fields of Profile.
SAMPLE_TYPE, SAMPLE, LOCATION, FUNCTION, STRING, DURATION, PERIOD = 1, 2, 4, 5, 6, 10, 12

#: A field's number, and its value: a number, or bytes.
Field = tuple[int, int | bytes]


@dataclass(frozen=True, slots=True)
class Read:
    """duration_ns, period_ns: as the profile says, 0 for unsaid. Stacks are root first."""

    counts: Counter[Stack] = field(repr=False)
    weights: Counter[Stack] = field(repr=False)
    duration_ns: int
    period_ns: int


def read(raw: bytes, counted: str, weighed: str) -> Read:
    """Read the two sample types of these names, such as `samples` and `cpu`.

    Raise `ValueError` if it is no profile, or has no such types.
    """
    types: list[int] = []
    samples: list[bytes] = []
    locations: dict[int, list[int]] = {}
    functions: dict[int, int] = {}
    strings: list[str] = []
    numbers = {DURATION: 0, PERIOD: 0}
    for number, value in _fields(_unpacked(raw)):
        if isinstance(value, int):
            if number in numbers:
                numbers[number] = value
        elif number == SAMPLE_TYPE and len(types) < MAX_TYPES:
            types.append(_number(value, 1))
        elif number == SAMPLE:
            samples.append(value)
        elif number == LOCATION:
            calls = islice(_blocks(value, 4), MAX_INLINED)
            locations[_number(value, 1)] = [_number(call, 1) for call in calls]
        elif number == FUNCTION:
            functions[_number(value, 1)] = _number(value, 2)
        elif number == STRING:
            strings.append(value[: 4 * MAX_NAME].decode("utf-8", "replace")[:MAX_NAME])
        if max(len(samples), len(locations), len(functions), len(strings)) > MAX_ITEMS:
            raise ValueError(f"a profile of more than {MAX_ITEMS} samples, functions or names")
    names = [_text(strings, it) for it in types]
    if counted not in names or weighed not in names:
        raise ValueError(f"a profile of {', '.join(names) or 'nothing'}, not of {weighed}")
    room = MAX_TEXT
    at_count, at_weight = names.index(counted), names.index(weighed)
    counts: Counter[Stack] = Counter()
    weights: Counter[Stack] = Counter()
    for sample in samples:
        ids, values = _packed(sample, 1, MAX_DEPTH), _packed(sample, 2, MAX_TYPES + 1)
        if len(values) != len(types):
            raise ValueError(f"a sample has {len(values)} values, where {len(types)} are named")
        frames: list[str] = []
        for id_ in ids:  # innermost first, and so are a location's inlined lines
            lines = locations.get(id_) or [0]
            frames += (_text(strings, functions.get(line, 0)) or UNKNOWN for line in lines)
        room -= sum(map(len, frames)) + len(frames)
        if room < 0:
            raise ValueError("a profile whose stacks take more than 64 MiB")
        stack = tuple(reversed(frames)) or (UNKNOWN,)
        counts[stack] += values[at_count]
        weights[stack] += values[at_weight]
    return Read(counts, weights, numbers[DURATION], numbers[PERIOD])


def _unpacked(raw: bytes) -> bytes:
    if not raw.startswith(_GZIP):
        return raw
    gunzip = zlib.decompressobj(wbits=31)
    try:
        content = gunzip.decompress(raw, MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"no gzip: {error}") from error
    if not gunzip.eof:
        raise ValueError("a profile of more than 32 MiB, or cut off")
    return content


def _fields(message: bytes) -> Iterator[Field]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError("no profile")
        if length > len(message) - at:
            raise ValueError("a profile that was cut off")
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            value &= (1 << 64) - 1
            return (value - (1 << 64) if value >> 63 else value), at
        shift += 7
    raise ValueError("no profile")


def _number(message: bytes, wanted: int) -> int:
    found = 0
    for number, value in _fields(message):
        if number == wanted and isinstance(value, int):
            found = value
    return found


def _blocks(message: bytes, wanted: int) -> Iterator[bytes]:
    for number, value in _fields(message):
        if number == wanted and isinstance(value, bytes):
            yield value


def _packed(message: bytes, wanted: int, most: int) -> list[int]:
    """The first ones of a list of numbers, packed or not."""
    found: list[int] = []
    for number, value in _fields(message):
        if number != wanted or len(found) >= most:
            continue
        if isinstance(value, int):
            found.append(value)
            continue
        at = 0
        while at < len(value) and len(found) < most:
            one, at = _varint(value, at)
            found.append(one)
    return found


def _text(strings: list[str], at: int) -> str:
    return strings[at] if 0 <= at < len(strings) else ""
