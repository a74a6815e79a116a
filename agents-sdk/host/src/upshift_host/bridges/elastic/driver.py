"""What the agent of one of Elastic's drives: it waits until that has come back for its settings.

What an agent is told, it is told when it asks: of the newest decision, whether `apply` has been
called with it by then or not. So no end of a lease waits here for anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from upshift_agent import Agent, Decision, Profile
from upshift_host.drivers.errors import ProfilerFailed

from .merging import PROFILED

LOOK_S = 0.25
#: Processes that are told apart by their address alone; more of them count as one.
MAX_PEERS = 256


@dataclass(slots=True)
class Peer:
    """Somebody at one address. asked: Hz that it has been answered; has: that it came back with."""

    seen: float
    asked: int | None = None
    has: int | None = None


class PolledDriver:
    """poll_s: how soon an agent comes back. From any threads; only `apply` waits."""

    profiles: tuple[Profile, ...] = ("cpu",)

    def __init__(
        self, agent: str, poll_s: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._kind, self._poll_s, self._now = agent or "unknown", poll_s, now
        self._news = threading.Condition()
        self._peers: dict[str, Peer] = {}
        self._reached = 0.0
        self._trouble: str | None = None
        self._gone = False
        self.agent: Agent | None = None

    @property
    def name(self) -> str:
        if self._kind not in PROFILED:
            return f"elastic {self._kind}: no profiler, traces at most"
        return f"elastic {self._kind}: applied when it comes back, {self._poll_s:g} s or more"

    @property
    def gone_after_s(self) -> float:
        """Of an agent that does not come back any more."""
        return max(3 * self._poll_s, 30.0) + 5.0

    @property
    def seen(self) -> float:
        with self._news:
            return max((it.seen for it in self._peers.values()), default=0.0)

    def decision(self) -> Decision | None:
        """The newest."""
        return None if self.agent is None else self.agent.decisions.get("cpu")

    def answered(self, peer: str, hz: int, reached: float, *, has_it: bool) -> None:
        """It was told `hz`. has_it: it has asked with the ETag of just that."""
        with self._news:
            found = self._peers.get(peer)
            if found is None:
                peer = peer if len(self._peers) < MAX_PEERS else ""
                found = self._peers.setdefault(peer, Peer(0.0))
            found.seen, found.asked = self._now(), hz
            found.has = hz if has_it else None
            self._reached, self._trouble = reached, None
            self._news.notify_all()

    def refused(self, why: str) -> None:
        """It could not be told anything."""
        with self._news:
            self._trouble = why

    def leave(self) -> None:
        """Nothing is waited for any more."""
        with self._news:
            self._gone = True
            self._news.notify_all()

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        """Return once everybody that asks has come back with the ETag of it."""
        hz = decisions["cpu"].hz
        within_s = self.gone_after_s
        with self._news:
            deadline = self._now() + within_s
            while not self._gone:
                if self._all_have(hz):
                    return {"cpu": self._reached}
                newest = self.decision()
                if newest is not None and newest.hz != hz:
                    raise ProfilerFailed("something newer is wanted by now")
                if self._now() >= deadline:
                    raise ProfilerFailed(
                        self._trouble or f"it has not come back for it within {within_s:g} s"
                    )
                self._news.wait(LOOK_S)
        return None

    def achieved(self) -> Mapping[Profile, float] | None:
        with self._news:
            return {"cpu": self._reached} if self._peers else None

    def trouble(self) -> str | None:
        with self._news:
            return self._trouble

    def close(self) -> None:
        """Nobody can be told anything who does not ask."""

    def _all_have(self, hz: int) -> bool:
        limit = self._now() - self.gone_after_s
        self._peers = {key: it for key, it in self._peers.items() if it.seen >= limit}
        return bool(self._peers) and all(it.has == hz == it.asked for it in self._peers.values())
