"""What goes wrong with a profiler."""

from __future__ import annotations

from upshift_agent import UpshiftError


class ProfilerFailed(UpshiftError):
    """It did not start, or brought nothing. Says why, for people: statuses carry it."""
