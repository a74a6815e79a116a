"""What a driver has to tell of its windows: what they achieve, and how many brought nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from upshift_agent import Profile
from upshift_host.profiles.window import Window

from .achieved import Achieved
from .tally import TALLY, Tally


class Book:
    """What a driver has to tell of its windows. From any threads."""

    def __init__(self, driver: str, tally: Tally = TALLY) -> None:
        self._driver = driver
        self._tally = tally
        self._lock = threading.Lock()
        self._achieved: dict[Profile, Achieved] = {}
        self._rates: Mapping[Profile, int] = {}
        self._failures = 0
        self._reason = ""

    def took(self, windows: Sequence[Window]) -> None:
        with self._lock:
            self._failures = 0
            for window in windows:
                achieved = self._achieved.setdefault(window.profile, Achieved())
                achieved.add(window.hz, window.count, window.threads_s)
                self._tally.took(window)

    def failed(self, reason: str) -> None:
        self._tally.lost(self._driver)
        with self._lock:
            self._failures += 1
            self._reason = reason

    @contextmanager
    def changing(self, rates: Mapping[Profile, int]) -> Iterator[None]:
        """While the profiler is brought to these rates. What failed before is of the past, and so
        is what other rates achieved, the window that ends now among it. If it raises, none runs."""
        with self._lock:
            self._failures = 0
        running: Mapping[Profile, int] = {}
        try:
            yield
            running = rates
        finally:
            with self._lock:
                for profile in list(self._achieved):
                    if running.get(profile) != self._rates.get(profile):
                        del self._achieved[profile]
                self._rates = running

    def achieved(self) -> dict[Profile, float]:
        with self._lock:
            found = {profile: achieved.hz() for profile, achieved in self._achieved.items()}
        return {profile: hz for profile, hz in found.items() if hz is not None}

    def trouble(self) -> tuple[int, str] | None:
        with self._lock:
            return (self._failures, self._reason) if self._failures else None
