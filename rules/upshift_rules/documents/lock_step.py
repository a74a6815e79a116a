"""Frequencies that keep step with what they measure. Pure."""

from __future__ import annotations

from math import gcd


def lock_step(hz: int) -> str | None:
    """Why samples at `hz` may keep falling on the same points of what they measure, or None.

    Timers tick in whole milliseconds: loops and caches every 10 or 100 ms, the kernel every 10, 4
    or 1 ms (its HZ of 100, 250, 1000). A sampling period of whole milliseconds is the period of
    such a timer, or a multiple of one: every sample sees it at one point of its cycle, and its work
    is in all samples or in none. At a multiple of 100 Hz a 10 ms timer is seen at hz / 100 points
    only. 19, 49, 97 and 99 Hz drift through every cycle.
    """
    if hz == 0:
        return None
    if 1000 % hz == 0:
        return f"{hz} Hz samples every {1000 // hz} ms, in lock-step with timers of that period"
    if hz % 100 == 0:
        return f"{hz} Hz sees a 10 ms timer at the same {hz // 100} points of its cycle every time"
    return None


def out_of_step(hz: int) -> str:
    """Frequencies a little lower that share no factor with round periods, such as `99 or 97`."""
    below = [slower for slower in range(hz - 1, 6, -1) if gcd(slower, 10) == 1][:2]
    return " or ".join(map(str, below or [7]))
