"""Drivers: one file per profiler, imported only when it is asked for.

A driver is any callable that takes a `Decision`, or an object with `apply(decision)`. It may
return the frequency that the profiler truly runs at, in Hz. It is called from one thread only,
and may take its time. An object may also have a `name`; `close()`, which ends the profiler for
good; and `identify(attributes)`, called once in each process before the first decision.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Mapping
from inspect import iscoroutine, iscoroutinefunction, signature
from typing import Any
from weakref import WeakValueDictionary

from ..contract import one_line, shorten
from ..contract.errors import ConfigurationError
from ..contract.resolve import Decision

WANTED = "a driver is a callable that takes a Decision, or an object with apply(decision)"


MAX_ACHIEVED_HZ = 1e9  # far above any profiler, and a number that every reader takes
MAX_NAME = 100  # characters


class Turn:
    """Whoever holds it calls the driver."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self.acquire, self.release = lock.acquire, lock.release


#: Of each driver in use, by process and its id: agents that share one share its turn.
_turns: WeakValueDictionary[tuple[int, int], Turn] = WeakValueDictionary()


class Driver:
    """Whatever the application handed us, under one shape."""

    def __init__(self, given: object) -> None:
        """Raise `ConfigurationError` if `given` is no driver."""
        apply = getattr(given, "apply", given)
        if isinstance(given, type) or not callable(apply):
            raise ConfigurationError(f"{WANTED}, got {shorten(given)}")
        given_close = getattr(given, "close", None)
        given_identify = getattr(given, "identify", None)
        called = (apply, given_close, given_identify)
        if any(map(_is_async, called)):
            raise ConfigurationError(
                f"{WANTED}, not a coroutine function: it is called on a thread of its own, from "
                "where loop.call_soon_threadsafe() reaches your event loop"
            )
        _check_call(apply)
        self._apply: Callable[[Decision], object] = apply
        self.identify: Callable[[Mapping[str, str]], Any] | None = given_identify
        self.close: Callable[[], Any] | None = given_close
        names = (getattr(given, "name", None), getattr(given, "__name__", None))
        name = next((it for it in names if isinstance(it, str) and it), type(given).__name__)
        self.name = one_line(name, MAX_NAME)
        self._owner = getattr(apply, "__self__", apply)  # alive, so that its id stays its own
        self.renew_turn()

    def renew_turn(self) -> None:
        """Also in a forked child, where nobody may be left to give the parent's back."""
        self.turn = _turns.setdefault((os.getpid(), id(self._owner)), Turn())

    def apply(self, decision: Decision) -> float | None:
        """Set the frequency. Return the achieved one in Hz, if the driver can tell."""
        achieved = self._apply(decision)
        if iscoroutine(achieved):
            achieved.close()
            raise TypeError("the driver returned a coroutine, which nobody awaits")
        if isinstance(achieved, bool) or not isinstance(achieved, int | float):
            return None
        try:
            hz = float(achieved)
        except Exception:  # noqa: BLE001  # its class, or 10 ** 400: the frequency is set anyway
            return None
        return hz if math.isfinite(hz) and 0 <= hz <= MAX_ACHIEVED_HZ else None


def _is_async(call: object) -> bool:
    return iscoroutinefunction(call) or iscoroutinefunction(type(call).__dict__.get("__call__"))


def _check_call(apply: Callable[..., object]) -> None:
    try:
        takes = signature(apply)
    except (ValueError, TypeError):  # written in C, for one
        return
    try:
        takes.bind(None)
    except TypeError as error:
        raise ConfigurationError(f"{WANTED}; this one cannot be called so: {error}") from None
