"""What agents report of cpu alone, as nearly all tests have it."""

from collections.abc import Mapping
from typing import Any

from upshift_agent.contract import CPU, Applied, Confirmed, Requested, Status, Wanted


def requested(hz: int, revs: Mapping[str, int] | None = None, **more: Any) -> Requested:
    return Requested(revs=revs or {}, profiles={CPU: Wanted(hz=hz, **more)})


def applied(
    hz: int, revs: Mapping[str, int] | None = None, at_ms: int = 0, achieved_hz: float | None = None
) -> Applied:
    confirmed = Confirmed(hz=hz, achieved_hz=achieved_hz)
    return Applied(revs=revs or {}, at_ms=at_ms, profiles={CPU: confirmed})


def requested_hz(status: Status) -> int:
    return status.requested.profiles[CPU].hz


def applied_hz(status: Status) -> int | None:
    """What the driver has confirmed; None: nothing yet."""
    return status.applied and status.applied.profiles[CPU].hz
