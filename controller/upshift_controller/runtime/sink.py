"""Where log lines go. Writing one never raises and never waits: a thread does the writing.

Full disks, dead readers and readers that do not read cost lines, and nothing else. Lines that
were lost are counted, and the first line that gets through again says how many there were.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

#: Bytes that may wait for a slow reader; what comes on top is lost.
MAX_WAITING = 2**20
#: After each write. What comes meanwhile goes out together, so a burst wakes the thread seldom.
REST_S = 0.01


def keep_streams_open() -> None:
    """What is closed of stdin, stdout and stderr leads nowhere from now on. Otherwise the next
    socket would get that number, and log lines would go to whoever is at its other end."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    # Python has none for what was closed when it began.
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


class Sink:
    """`write` may block and raise `OSError`; `notice` makes a line of how many were lost."""

    def __init__(self, write: Callable[[bytes], object], notice: Callable[[int], bytes]) -> None:
        self._write = write
        self._notice = notice
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._busy = False
        self._thread: threading.Thread | None = None
        #: Lines lost since the start, and those of them that nobody was told of yet.
        self.lost = 0
        self._untold = 0

    def write(self, line: bytes) -> int:
        with self._lock:
            if self._size + len(line) > MAX_WAITING:
                self._lose(1)
                return 0
            self._waiting.append(line)
            self._size += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # no thread to be had, or the interpreter ends
                    self._thread = None
        self._wake.set()
        return len(line)

    def flush(self) -> None:
        """For those who take this for a file: lines go out by themselves."""

    def drain(self, patience_s: float = 1.0) -> None:
        """Wait until what was written is out, `patience_s` at most."""
        deadline = time.monotonic() + patience_s
        while (self._waiting or self._busy) and time.monotonic() < deadline:
            time.sleep(0.002)

    def lose(self) -> None:
        """Count a line that could not even be made."""
        with self._lock:
            self._lose(1)

    def _lose(self, lines: int) -> None:
        self.lost += lines
        self._untold += lines

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            self._write_all()
            time.sleep(REST_S)

    def _write_all(self) -> None:
        with self._lock:
            lines, self._size, untold = list(self._waiting), 0, self._untold
            self._waiting.clear()
            self._busy = True
        try:
            if lines:
                self._write((self._notice(untold) if untold else b"") + b"".join(lines))
                with self._lock:
                    self._untold -= untold
        except (OSError, ValueError):  # the latter of a file that was closed
            with self._lock:
                self._lose(len(lines))
        finally:
            self._busy = False


def to_file(number: int) -> Callable[[bytes], None]:
    """Writes everything to a file descriptor; a line that was cut short is ended first."""
    cut = False

    def write(text: bytes) -> None:
        nonlocal cut
        rest = memoryview(b"\n" + text if cut else text)
        while rest:
            rest = rest[os.write(number, rest) :]
            cut = True
        cut = False

    return write
