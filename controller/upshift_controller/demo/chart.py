"""A worker's measured frequency over time, drawn in one line. Pure."""

from __future__ import annotations

from itertools import groupby

from .measured import Worker

#: Each block is so many seconds; a whole cycle fits.
BLOCK_S = 2
BLOCKS = 24
_TOP_HZ = 110.0
_LEVELS = {True: "▁▂▃▄▅▆▇█", False: "_.-=+*%#"}


def chart(worker: Worker, *, unicode: bool = True) -> str:
    """Oldest first, the newest at the right end."""
    levels = _LEVELS[unicode]
    recent = sorted(worker.profiles[-2 * BLOCK_S * BLOCKS :], key=lambda profile: profile.from_s)
    drawn = ""
    for _, profiles in groupby(recent, lambda profile: int(profile.from_s / BLOCK_S)):
        hz = worker.rate(list(profiles)).per_cpu_second
        if hz is not None:
            drawn += levels[min(len(levels) - 1, int(hz / _TOP_HZ * len(levels)))]
    return drawn[-BLOCKS:]
