"""Drivers: one file per profiler, imported only when it is asked for.

A driver is any callable that takes a `Decision`, or an object with `apply(decision)`. It may
return the frequency that the profiler truly runs at, in Hz. It is called from one thread only,
and may take its time. An object may also have a `name`; `close()`, which ends the profiler for
good; and `identify(attributes)`, called once in each process before the first decision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from typing import Any

from ..errors import ConfigurationError
from ..resolve import Decision
from ..wire import shorten

WANTED = "a driver is a callable that takes a Decision, or an object with apply(decision)"


class Driver:
    """Whatever the application handed us, under one shape."""

    def __init__(self, given: object) -> None:
        """Raise `ConfigurationError` if `given` is no driver."""
        apply = getattr(given, "apply", given)
        if isinstance(given, type) or not callable(apply):
            raise ConfigurationError(f"{WANTED}, got {shorten(given)}")
        if iscoroutinefunction(apply):
            raise ConfigurationError(
                f"{WANTED}, not a coroutine function: it is called on a thread of its own, from "
                "where loop.call_soon_threadsafe() reaches your event loop"
            )
        self._apply: Callable[[Decision], object] = apply
        self.identify: Callable[[Mapping[str, str]], Any] | None = getattr(given, "identify", None)
        self.close: Callable[[], Any] | None = getattr(given, "close", None)
        self.name = str(
            getattr(given, "name", None) or getattr(given, "__name__", None) or type(given).__name__
        )

    def apply(self, decision: Decision) -> float | None:
        """Set the frequency. Return the achieved one in Hz, if the driver can tell."""
        achieved = self._apply(decision)
        if isinstance(achieved, bool) or not isinstance(achieved, int | float):
            return None
        return float(achieved) if math.isfinite(achieved) and achieved >= 0 else None
