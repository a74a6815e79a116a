"""Has containers named, on a thread that asks their managers when there is a new one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping

from ...said import describe, log

#: Two questions are so far apart at least: a container may be there before its manager knows it.
PAUSE_S = 2.0
#: One that nobody knows is asked for again: soon at first, and then seldom.
SOON_S = 20.0
SELDOM_S = 60.0

Ask = Callable[[], Mapping[str, Mapping[str, str]]]


class Naming:
    """managers: by name, what to ask. `want`, `names` and `stop` never wait, on whatever thread."""

    def __init__(
        self, managers: Mapping[str, Ask], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._managers = managers
        self._now = now
        self._news = threading.Condition()
        self._wanted: dict[str, float] = {}  # container → since when
        self._asked = float("-inf")
        self._ended = False
        self._told: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="upshift-naming", daemon=True)
        #: Attributes by container. Another object whenever it says something else.
        self.names: Mapping[str, Mapping[str, str]] = {}

    def start(self) -> None:
        if self._managers:
            self._thread.start()

    def stop(self) -> None:
        with self._news:
            self._ended = True
            self._news.notify()

    def want(self, containers: Collection[str]) -> None:
        """These are there now."""
        with self._news:
            now = self._now()
            self._wanted = {it: self._wanted.get(it, now) for it in containers}
            if self.due():
                self._news.notify()

    def due(self) -> bool:
        """Whether it is time to ask, for the sake of a container without a name."""
        now, since_asked = self._now(), self._now() - self._asked
        unnamed = [since for it, since in self._wanted.items() if it not in self.names]
        soon = any(now - since < SOON_S for since in unnamed)
        return bool(unnamed) and since_asked >= (PAUSE_S if soon else SELDOM_S)

    def ask(self) -> None:
        """Ask every manager once. One that cannot answer costs the others nothing."""
        self._asked = self._now()
        found: dict[str, Mapping[str, str]] = {}
        for manager, ask in self._managers.items():
            try:
                found |= ask()
                self._told.pop(manager, None)
            except Exception as error:  # noqa: BLE001  # whatever it is, there are no names
                found |= {it: said for it, said in self.names.items() if it not in found}
                said_of = describe(error)
                if self._told.get(manager) != said_of:
                    self._told[manager] = said_of
                    log.warning("%s does not name containers: %s", manager, said_of)
        with self._news:
            kept = {it: found[it] for it in self._wanted if it in found}
            if kept != self.names:
                self.names = kept

    def _run(self) -> None:
        while True:
            with self._news:
                while not self._ended and not self.due():
                    self._news.wait(PAUSE_S)
                if self._ended:
                    return
            self.ask()
