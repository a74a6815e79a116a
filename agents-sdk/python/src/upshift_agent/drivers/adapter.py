"""The one place where whatever an application hands us becomes what the driver thread calls."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from inspect import iscoroutine, iscoroutinefunction, signature
from typing import Any
from weakref import WeakValueDictionary

from ..contract import CPU, PROFILES, Profile, one_line, shorten
from ..contract.errors import ConfigurationError
from ..contract.resolve import Decision
from ..runtime.log import MAX_ERROR, describe
from .driver import Driver

WANTED = "a driver is a callable that takes a Decision, or an object as upshift_agent.Driver says"
REQUIRED = ("name", "profiles", "apply")

MAX_ACHIEVED_HZ = 1e9  # far above any profiler, and a number that every reader takes
MAX_NAME = 300  # characters: a host agent's says which methods do not work, and why


class Turn:
    """Whoever holds it calls the driver."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self.acquire, self.release = lock.acquire, lock.release


#: Of each driver in use, by process and its id: agents that share one share its turn.
_turns: WeakValueDictionary[tuple[int, int], Turn] = WeakValueDictionary()


def adapt(given: object) -> AdaptedDriver:
    """What the driver thread calls, of a driver, a callable or the name of an installed one.

    Raise `ConfigurationError` if it is none of these.
    """
    if isinstance(given, str):
        from .installed import make

        return make(given, AdaptedDriver)
    return AdaptedDriver(given)


class AdaptedDriver:
    """Any driver, checked, with its answers made safe."""

    def __init__(self, given: object) -> None:
        """Raise `ConfigurationError` if `given` is no driver."""
        if isinstance(given, type):
            raise ConfigurationError(f"{WANTED}, got {shorten(given)}")
        self._bare = callable(given) and _member(given, "apply") is None
        self._apply: Any = given if self._bare else _checked(given)
        self._identify = None if self._bare else _member(given, "identify")
        self._close = None if self._bare else _member(given, "close")
        self._achieved = None if self._bare else _member(given, "achieved")
        self._trouble = None if self._bare else _member(given, "trouble")
        self._shared = None if self._bare else _member(given, "shared")
        #: Of those that there are, the ones that it can raise.
        self.profiles = (CPU,) if self._bare else _profiles(given)
        _check_call(self._apply, None)
        _check_call(self._identify, None)
        _check_call(self._close)
        _check_call(self._achieved)
        _check_call(self._trouble)
        _check_call(self._shared)
        self._given = given
        # Alive, so that its id stays its own.
        self._owner = getattr(self._apply, "__self__", self._apply)
        self.renew_turn()

    @property
    def name(self) -> str:
        """As it is called now, in one line."""
        given = self._given
        for name in ("name", "__name__"):
            with suppress(Exception):  # it may be a property, and fail
                text = _member(given, name)
                if isinstance(text, str) and text:
                    return one_line(text, MAX_NAME)
        return one_line(type(given).__name__, MAX_NAME)

    def renew_turn(self) -> None:
        """Also in a forked child, where nobody may be left to give the parent's back."""
        self.turn = _turns.setdefault((os.getpid(), id(self._owner)), Turn())

    def identify(self, attributes: Mapping[str, str]) -> None:
        if self._identify is not None:
            self._identify(attributes)

    def apply(self, decisions: Mapping[Profile, Decision]) -> dict[Profile, float]:
        """Set the frequencies. Return those achieved, in Hz, that the driver can tell."""
        returned = self._call(decisions[CPU] if self._bare else dict(decisions))
        return self._safe(returned)

    def achieved(self) -> dict[Profile, float]:
        """Ask the driver for the frequencies that it achieves now. Nothing is waited for."""
        if self._achieved is None:
            return {}
        try:
            return self._safe(self._achieved())
        except Exception:  # noqa: BLE001  # a figure less in the status
            return {}

    def trouble(self) -> str | None:
        """Ask the driver why what it has confirmed does not hold any more. It must not wait."""
        if self._trouble is None:
            return None
        try:
            said = self._trouble()
        except Exception as error:  # noqa: BLE001  # then nobody knows whether it holds
            said = describe(error)
        return one_line(said, MAX_ERROR) if isinstance(said, str) and said else None

    def shared(self) -> str | None:
        """Ask the driver which profiler it shares with other agents. It must not wait."""
        try:
            name = None if self._shared is None else self._shared()
        except Exception:  # noqa: BLE001  # whatever it raises: then it is one of its own
            return None
        return one_line(name, MAX_NAME) if isinstance(name, str) and name else None

    def close(self, last: Mapping[Profile, Decision] | None) -> None:
        """End the profiler, or else leave it at `last`, None if it runs so already."""
        if self._close is not None:
            self._close()
        elif last is not None:
            self.apply(last)

    def _call(self, decided: object) -> object:
        returned = self._apply(decided)
        if iscoroutine(returned):
            returned.close()
            raise TypeError("the driver returned a coroutine, which nobody awaits")
        return returned

    def _safe(self, returned: object) -> dict[Profile, float]:
        """What is a frequency of what a driver returned: whatever that is, its work is done. The
        number of a driver that has one profile is of that."""
        achieved: dict[Profile, float] = {}
        for profile in self.profiles:
            with suppress(Exception):  # its class may raise at any touch, and 10 ** 400 is no float
                hz = returned
                if isinstance(returned, Mapping):
                    hz = returned.get(profile)
                elif len(self.profiles) > 1:
                    continue
                if isinstance(hz, int | float) and not isinstance(hz, bool):
                    hz = float(hz)
                    if math.isfinite(hz) and 0 <= hz <= MAX_ACHIEVED_HZ:
                        achieved[profile] = hz
        return achieved


def _checked(given: object) -> Any:
    """The `apply` of an object. Raise `ConfigurationError` unless it has all that it needs."""
    if lacking := [name for name in REQUIRED if _member(given, name) is None]:
        raise ConfigurationError(f"{WANTED}; {shorten(given)} has no {', '.join(lacking)}")
    return _member(given, "apply")


def _profiles(given: object) -> tuple[Profile, ...]:
    profiles = _member(given, "profiles")
    if isinstance(profiles, str) or not isinstance(profiles, Collection):
        raise ConfigurationError(
            f'profiles must be a collection such as ("cpu",), got {shorten(profiles)}'
        )
    raised = tuple([profile for profile in PROFILES if profile in profiles])
    if not raised:
        raise ConfigurationError(
            f"none of the driver's profiles can be raised: {shorten(profiles)}; "
            f"known are: {', '.join(PROFILES)}"
        )
    return raised


def _member(given: object, name: str) -> Any:
    """What `given` has of its own; the protocol's, which does nothing, may have been inherited."""
    inherited = getattr(type(given), name, None)
    if inherited is not None and inherited is getattr(Driver, name, None):
        return None
    return getattr(given, name, None)


def _check_call(call: Any, *arguments: object) -> None:
    """Raise `ConfigurationError` if it cannot be called so; None was left out, and is not."""
    if call is None:
        return
    if not callable(call):
        raise ConfigurationError(f"{WANTED}; {shorten(call)} cannot be called")
    if iscoroutinefunction(call) or iscoroutinefunction(type(call).__dict__.get("__call__")):
        raise ConfigurationError(
            f"{WANTED}, not a coroutine function: it is called on a thread of its own, from "
            "where loop.call_soon_threadsafe() reaches your event loop"
        )
    try:
        takes = signature(call)
    except (ValueError, TypeError):  # written in C, for one
        return
    try:
        takes.bind(*arguments)
    except TypeError as error:
        raise ConfigurationError(f"{WANTED}; this one cannot be called so: {error}") from None
