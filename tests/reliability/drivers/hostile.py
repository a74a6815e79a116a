"""Drivers, their exceptions and log handlers that do their worst."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any, NoReturn

from upshift_agent import Decision, Profile
from upshift_agent.testing import RecordingDriver


class Mute(Exception):
    def __str__(self) -> str:
        raise RecursionError("and neither can this")

    __repr__ = __str__


class Trap(str):
    def __format__(self, _: str) -> str:
        raise SystemExit(3)

    __getitem__ = __len__ = __iter__ = __format__  # type: ignore[assignment]


class Booby(Exception):
    def __str__(self) -> str:
        return Trap("a trap")


class Odd(float):
    def __float__(self) -> float:
        raise SystemExit(4)


class Locked(dict[str, float]):
    def get(self, *_: object) -> NoReturn:
        raise KeyError(self)


def raise_(error: BaseException) -> None:
    raise error


def deep() -> None:
    deep()


async def _nobody_awaits_this() -> None: ...


#: What a driver does at 100 Hz: it raises what it is given here, or returns it.
RAISED: dict[str, Callable[[], object]] = {
    "cannot say why": Mute,
    "says it with a trap": Booby,
    "is endless": lambda: ValueError("x" * 50_000_000),
    "forges lines": lambda: ValueError("no\nERROR root: all is lost\x1b[2J\u2028\ud800"),
    "ends the process": lambda: SystemExit(Mute()),
    "has no memory": MemoryError,
    "is cancelled": GeneratorExit,
    "recurses for ever": deep,
}
RETURNED: dict[str, Callable[[], object]] = {
    "a class": lambda: {"cpu": Mute},
    "no mapping": lambda: 100.0,
    "a mapping that raises": Locked,
    "an odd number": lambda: {"cpu": Odd()},
    "a coroutine": _nobody_awaits_this,
    "a large number": lambda: {"cpu": 10**400},
    "less than nothing": lambda: {"cpu": -1},
    "no number": lambda: {"cpu": float("nan")},
    "more than fits": lambda: {"cpu": 2**63},
}


class Hostile(RecordingDriver):
    """Spoils what it is told, and at 100 Hz does something wrong."""

    def __init__(self, wrong: Callable[[], object]) -> None:
        super().__init__()
        self.wrong = wrong

    def apply(self, decisions: Mapping[Profile, Decision]) -> Any:
        super().apply(decisions)
        decision = decisions["cpu"]
        if decision.because:
            decision.because["alertname"] = self  # type: ignore[index]
        if decision.lease is not None:
            decision.lease.where.clear()  # type: ignore[attr-defined]
        if decision.hz == 100:
            wrong = self.wrong()
            if isinstance(wrong, BaseException):
                raise wrong
            return wrong
        return None


class OneAtATime(RecordingDriver):
    """Slow, and keeps account of who is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = self.most = 0
        self.events: list[str] = []

    def _be_in(self, what: str) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.05)
        self.events.append(what)
        self.inside -= 1

    def apply(self, decisions: Mapping[Profile, Decision]) -> None:
        super().apply(decisions)
        self._be_in("apply")
        return

    def close(self) -> None:
        self._be_in("close")


#: What a handler of the application's log may raise.
LOG_ERRORS = (OSError("disk full"), SystemExit(5), Mute(), RecursionError())


class Handler(logging.Handler):
    def __init__(self, wrong: Callable[[], object]) -> None:
        super().__init__()
        self.wrong = wrong
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.wrong()


def handler(kind: str) -> Handler:
    """One that `raises` each of the errors in turn, or `hangs` for ever."""
    if kind == "hangs":
        return Handler(threading.Event().wait)
    errors = cycle(LOG_ERRORS)
    return Handler(lambda: raise_(next(errors)))
