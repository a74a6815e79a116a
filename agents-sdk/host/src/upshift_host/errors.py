"""What goes wrong, for people: what was wrong, where, and what would be right."""

from __future__ import annotations


class HostError(Exception):
    """Base of the host agent's own errors."""


class StartRefused(HostError):
    """It cannot run as it is configured; the message says all that is wrong."""


class CannotProfile(HostError):
    """No method of `fallback_strategy` can profile a workload, and why none can."""
