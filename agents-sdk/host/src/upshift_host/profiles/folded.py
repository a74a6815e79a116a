"""Folded stacks, `root;middle;leaf COUNT` a line, as profilers print and /ingest takes them.

Pure. Names come out of processes, so they may hold anything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from .window import Stack

#: A line that is longer ends, in silence, what Pyroscope reads of a body (64 KiB is its limit).
MAX_LINE = 60_000
#: Put in place of the frames in the middle that a line has no room for.
LEFT_OUT = "[left out]"

_LINE = re.compile(r"(?P<stack>.+) (?P<count>[0-9]+)", re.DOTALL)
#: What ends a frame, a line, or the text for whoever reads it.
_UNSAFE = re.compile(r"[;\x00-\x1f\x7f\x85\u2028\u2029]")


def parse(text: str) -> Counter[Stack]:
    """Read what a profiler printed. Lines that are none are left out."""
    found: Counter[Stack] = Counter()
    for line in text.split("\n"):
        if match := _LINE.fullmatch(line.strip("\r")):
            found[tuple(match["stack"].split(";"))] += int(match["count"])
    return found


def render(values: Mapping[Stack, int]) -> bytes:
    """Write one line a stack, in UTF-8; stacks without a value are left out."""
    lines = (_line(stack, value) for stack, value in values.items() if value > 0 and stack)
    return b"".join(lines)


def frame(name: str) -> str:
    """A name that is one frame of one line, whatever it was."""
    return _UNSAFE.sub("_", name).strip() or "[unknown]"


def _line(stack: Stack, value: int) -> bytes:
    frames = [frame(name).encode("utf-8", "replace") for name in stack]
    whole = b";".join(frames)
    if len(whole) > MAX_LINE:
        whole = _shortened(frames)
    return b"%s %d\n" % (whole, value)


def _shortened(frames: list[bytes]) -> bytes:
    """The outermost and the innermost frames, each half of what there is room for."""
    room = MAX_LINE // 2
    return b";".join([*_first(frames, room), LEFT_OUT.encode(), *_first(frames[::-1], room)[::-1]])


def _first(frames: list[bytes], room: int) -> list[bytes]:
    taken: list[bytes] = []
    for one in frames:
        cut = one[:room].decode("utf-8", "ignore").encode() if not taken else one
        room -= len(cut) + 1
        if room < 0 and taken:
            break
        taken.append(cut)
    return taken
