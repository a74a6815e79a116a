"""What the SDK tells the application's log: one line of bounded length, never a reason to wait.

A handler of the application may raise, or block for as long as the reader of a pipe does. So no
thread that ends a lease calls one: lines are handed over by a thread that lives no longer than
there are any. Light: loaded with `Agent`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque

from .gate import gate

NAME = "upshift_agent"
MAX_LINE = 1000  # characters
MAX_ERROR = 500  # characters of what was raised
MAX_WAITING = 100  # lines; while a handler blocks, further ones are dropped and counted
INFO, WARNING, ERROR = 20, 30, 40  # as in logging, which is loaded when it is needed


class Log:
    """As much of a `logging.Logger` as the SDK needs. Nothing in here raises."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Also in a forked child: what the parent has not said yet, it will say itself."""
        self._lock = threading.RLock()  # a signal handler may stop an agent in the midst of it
        self._lines: deque[tuple[int, str]] = deque()
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def info(self, text: str, *values: object) -> None:
        self._tell(INFO, text, values)

    def warning(self, text: str, *values: object) -> None:
        self._tell(WARNING, text, values)

    def error(self, text: str, *values: object) -> None:
        self._tell(ERROR, text, values)

    def flush(self, deadline: float) -> None:
        """Wait until all is said, until `deadline` (of `time.monotonic`) at the longest."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0, deadline - time.monotonic()))

    def _tell(self, level: int, text: str, values: tuple[object, ...]) -> None:
        import logging

        from ..contract.text import one_line

        try:
            if not logging.getLogger(NAME).isEnabledFor(level):
                return
            line = one_line(text % values if values else text, MAX_LINE)
            with self._lock:
                if len(self._lines) >= MAX_WAITING:
                    self._dropped += 1
                    return
                self._lines.append((level, line))
                if self._thread is None:
                    self._start()
        except Exception:  # noqa: BLE001, S110  # a class of the application's: nobody can be told
            pass

    def _start(self) -> None:
        thread = threading.Thread(target=self._speak, name="upshift-log", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads to be had: better said here than not at all
            self._speak()
        else:
            self._thread = thread

    def _speak(self) -> None:
        while True:
            with self._lock:
                if not self._lines:
                    self._thread = None
                    return
                level, line = self._lines.popleft()
                if self._dropped:
                    line += f" ({self._dropped} lines before this one were dropped)"
                    self._dropped = 0
            _hand_over(level, line)


def _hand_over(level: int, line: str) -> None:
    # A handler's failure is its owner's business, but no child is to begin with its locks held.
    with gate, contextlib.suppress(BaseException):
        import logging

        logging.getLogger(NAME).log(level, "%s", line)


def text_of(error: BaseException, most: int = MAX_ERROR) -> str:
    """What an error says, on one line of at most `most` characters, whatever its class does."""
    from ..contract.text import one_line

    try:
        # As plain text: a subclass of str could raise later, elsewhere.
        return one_line(str.__str__(str(error)), most)
    except BaseException:  # noqa: BLE001  # what `str` of somebody's class raises may be anything
        return "it cannot say why"


def describe(error: BaseException, most: int = MAX_ERROR) -> str:
    """The same after the name of its class."""
    name = type.__dict__["__name__"].__get__(type(error))
    text = text_of(error, most)
    return text_of(ValueError(f"{name}: {text}" if text else name), most)


log = Log()
