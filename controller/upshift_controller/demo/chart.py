"""A worker's measured frequency over time, drawn in one line. Pure."""

from __future__ import annotations

from .receiving.measured import Worker
from .receiving.receiver import Profile

#: Each block is so many seconds; a whole cycle fits.
BLOCK_S = 2
BLOCKS = 24
_TOP_HZ = 110.0
_LEVELS = {True: "▁▂▃▄▅▆▇█", False: "_.-=+*%#"}


def chart(worker: Worker, *, unicode: bool = True) -> str:
    """Oldest first, the newest at the right end; a gap where nothing was pushed."""
    levels = _LEVELS[unicode]
    blocks: dict[int, list[Profile]] = {}
    for profile in worker.profiles[-2 * BLOCK_S * BLOCKS :]:
        blocks.setdefault(int(profile.from_s / BLOCK_S), []).append(profile)
    drawn = ""
    for block in range(min(blocks, default=0), max(blocks, default=-1) + 1):
        hz = worker.rate(blocks.get(block, [])).per_cpu_second
        level = 0 if hz is None else min(len(levels) - 1, int(hz / _TOP_HZ * len(levels)))
        drawn += " " if hz is None else levels[level]
    return drawn.rstrip()[-BLOCKS:]
