"""pprof: a window as the gzipped protobuf that Parca, Pyroscope and `go tool pprof` read. Pure."""

from __future__ import annotations

import gzip

from .protobuf import block, number, packed, varint
from .window import NS, TIMED, Window

#: Sample types besides what a stack weighs, which comes second and is what is shown first.
COUNTED = {
    "cpu": "samples",
    "wall": "samples",
    "alloc": "samples",
    "lock": "contentions",
    "heap": "inuse_objects",
}
WEIGHED = {
    "cpu": "cpu",
    "wall": "wall",
    "alloc": "alloc_space",
    "lock": "delay",
    "heap": "inuse_space",
}
UNKNOWN = "[unknown]"
#: Fields of Profile, as google/pprof's profile.proto numbers them.
SAMPLE_TYPE, SAMPLE, LOCATION, FUNCTION, STRING = 1, 2, 4, 5, 6
TIME, DURATION, PERIOD_TYPE, PERIOD, DEFAULT_TYPE = 9, 10, 11, 12, 14


class _Table:
    """Numbers what it is given, each once, from 1 up: 0 is the empty text, and no function."""

    def __init__(self) -> None:
        self.numbers = {"": 0}
        self._written: dict[str, bytes] = {}  # a stack's names are most of the work

    def __getitem__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))

    def written(self, text: str) -> bytes:
        """Its number as protobuf has it."""
        found = self._written.get(text)
        if found is None:
            found = self._written[text] = varint(self[text])
        return found


def encode(window: Window) -> bytes:
    """Two values a stack: how often it was seen, and what it stands for: nanoseconds, or bytes
    of alloc and heap.

    For cpu and wall `period` is the nanoseconds of one sample, so nanoseconds = count × period;
    what the others weigh has no period, and says 1.
    """
    strings, functions = _Table(), _Table()
    counted = _type(strings[COUNTED[window.profile]], strings["count"])
    weighed = _type(strings[WEIGHED[window.profile]], strings[window.unit])
    weights = window.weighed()
    samples = [
        block(
            SAMPLE,
            # Innermost first.
            block(1, b"".join([functions.written(name or UNKNOWN) for name in reversed(stack)]))
            + packed(2, [count, weights.get(stack, 0)]),
        )
        for stack, count in window.samples.items()
    ]
    parts = [block(SAMPLE_TYPE, counted), block(SAMPLE_TYPE, weighed), *samples]
    for name, id_ in list(functions.numbers.items())[1:]:
        # One location a function: a profiler's line numbers are not kept apart.
        parts.append(block(LOCATION, number(1, id_) + block(4, number(1, id_))))
        parts.append(block(FUNCTION, number(1, id_) + number(2, strings[name])))
    default = strings[WEIGHED[window.profile]]
    parts += [block(STRING, text.encode("utf-8", "replace")) for text in strings.numbers]
    parts += [
        number(TIME, int(window.began_s * NS)),
        number(DURATION, int((window.ended_s - window.began_s) * NS)),
        block(PERIOD_TYPE, weighed),
        number(PERIOD, window.period_ns if window.profile in TIMED else 1),
        number(DEFAULT_TYPE, default),
    ]
    # No time of its own in the gzip header: one window is always the same bytes.
    return gzip.compress(b"".join(parts), compresslevel=5, mtime=0)


def _type(name: int, unit: int) -> bytes:
    return number(1, name) + number(2, unit)
