"""The queue between drivers and a backend. It lets no driver wait, and counts what it drops."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from .connection import Connection, Unreached
from .request import Request
from .window import Window

MAX_QUEUED = 16 * 1024 * 1024  # bytes; some ten minutes of 50 workloads
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
#: What is older has a gap in its place by now, and the backend enough to do.
MAX_AGE_S = 600.0


class Exporter(Protocol):
    """Takes windows, from any thread."""

    def send(self, window: Window) -> None:
        """Queue it. Never waits for a backend, never raises for one."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """Windows so far. dropped: for want of room, or of an answer in ten minutes, or at the end.
    refused: by the backend, for good. queued: at this moment."""

    sent: int
    dropped: int
    refused: int
    queued: int


@dataclass(frozen=True, slots=True)
class _Queued:
    request: Request
    at_s: float  # of time.monotonic


class Shipper:
    """Sends what a pure function makes of each window, oldest first, on a thread of its own.

    What the backend could not take (no answer, 5xx, 429) is tried again, after 1 s and at last
    every 30 s; what it refuses (any other status) is not.
    """

    def __init__(
        self,
        url: str,
        encode: Callable[[Window], Request],
        *,
        headers: Mapping[str, str] | None = None,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        """max_queued: bytes. Raise `ValueError` for a URL that is none."""
        self._connection = Connection(url, headers or {})
        self._encode = encode
        self._max_queued = max_queued
        self._queue: deque[_Queued] = deque()
        self._bytes = 0
        self._sent = self._dropped = self._refused = 0
        self._trouble: str | None = None
        self._news = threading.Condition()
        self._ends_s: float | None = None  # of time.monotonic, once it is being closed
        self._thread: threading.Thread | None = None

    def send(self, window: Window) -> None:
        """Queue it; the oldest are dropped where there is no room. A closed one drops it."""
        queued = _Queued(self._encode(window), time.monotonic())
        with self._news:
            if self._ends_s is not None:
                self._dropped += 1
                return
            self._queue.append(queued)
            self._bytes += len(queued.request.body)
            while self._bytes > self._max_queued and len(self._queue) > 1:
                self._drop()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="upshift-exporter", daemon=True
                )
                self._thread.start()
            self._news.notify_all()

    def counts(self) -> Counts:
        with self._news:
            return Counts(self._sent, self._dropped, self._refused, len(self._queue))

    def trouble(self) -> str | None:
        """Why nothing arrives at this moment, in one line; None while all is well."""
        with self._news:
            return self._trouble

    def close(self, timeout_s: float) -> None:
        """Send what is queued, for `timeout_s` at the longest, then end."""
        with self._news:
            self._ends_s = time.monotonic() + timeout_s
            self._news.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)
        with self._news:
            while self._queue:
                self._drop()

    def _run(self) -> None:
        failures = 0
        while (queued := self._next(failures)) is not None:
            try:
                status, said = self._connection.post(queued.request)
            except Unreached as error:
                trouble: str | None = str(error)
                again = True
            except ValueError as error:  # a header or path that http.client does not send
                trouble, again = f"{self._connection.url}: {error}", False
            else:
                again = status >= 500 or status == 429
                fine = 200 <= status < 300
                trouble = None if fine else f"{self._connection.url}: {status} {said}".rstrip()
            failures = min(failures + 1, 10) if again else 0
            with self._news:
                self._trouble = trouble
                if not again:
                    self._taken(queued, refused=trouble is not None)
                elif self._ends_s is not None:
                    break  # nobody waits for a backend to come back
        self._connection.close()

    def _next(self, failures: int) -> _Queued | None:
        """The oldest, once it is to be sent; None at the end."""
        pause_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** (failures - 1)) if failures else 0.0
        due_s = time.monotonic() + pause_s
        with self._news:
            while True:
                now = time.monotonic()
                while self._queue and now - self._queue[0].at_s > MAX_AGE_S:
                    self._drop()
                if self._ends_s is not None and (not self._queue or now >= self._ends_s):
                    return None
                if self._queue and (now >= due_s or self._ends_s is not None):
                    return self._queue[0]
                self._news.wait(max(0.0, due_s - now) if self._queue else None)

    def _taken(self, queued: _Queued, *, refused: bool) -> None:
        """The backend has it, or will not have it."""
        if not self._queue or self._queue[0] is not queued:
            return  # dropped meanwhile, and counted so
        self._queue.popleft()
        self._bytes -= len(queued.request.body)
        if refused:
            self._refused += 1
        else:
            self._sent += 1

    def _drop(self) -> None:
        self._bytes -= len(self._queue.popleft().request.body)
        self._dropped += 1
