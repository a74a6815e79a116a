"""Long work on the event loop, in slices: whatever else waits is let in between two of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

#: Longer than it takes to switch, shorter than anybody notices.
SLICE_S = 0.005

T = TypeVar("T")
R = TypeVar("R")


async def each(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What `work` makes of each item. One item is never divided, so it has to be bounded."""
    made: list[R] = []
    until = time.monotonic() + SLICE_S
    for item in items:
        made.append(work(item))
        if time.monotonic() > until:
            await asyncio.sleep(0)
            until = time.monotonic() + SLICE_S
    return made
