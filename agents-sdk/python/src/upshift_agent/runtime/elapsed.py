"""The SDK's clock, for all that has to end on time."""

from __future__ import annotations

import time

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed_s() -> float:
    """Seconds of a clock that no step of the wall clock moves and that goes on while the machine
    is suspended: leases end then as well. (`time.monotonic` stands still on Linux.)"""
    return time.clock_gettime(CLOCK)
