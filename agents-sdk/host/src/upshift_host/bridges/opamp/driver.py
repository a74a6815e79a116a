"""What the agent of a collector drives: it tells the collector, and waits until that confirms."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from upshift_agent import Agent, Decision, Profile
from upshift_host.drivers.errors import ProfilerFailed

from .contents import Contents, Offer
from .messages import ACCEPTS_REMOTE_CONFIG, Report
from .standing import Standing

#: Supervisors say APPLIED or FAILED 5 s after they were told; a collector may have to start first.
CONFIRM_S = 30.0
#: How long the first frequency waits for the plans, so that a boost is not taken down and up again.
PLANS_S = 2.0
#: How often a wait looks whether something newer is wanted.
LOOK_S = 0.1
#: What a collector has refused is not tried again for so long, unless it lowers.
REST_S = 300.0
#: For the last frequency, when the bridge ends.
LAST_S = 2.0
MAX_REFUSED = 16

NEWER = "something newer is wanted by now"
AWAY = "its supervisor is not connected: it runs as it was told last"
Send = Callable[[Offer], None]


class CollectorDriver:
    """Of one collector, over all its connections. From any threads; only `apply` waits.

    rest: Hz that it is put back to, where nothing is known that it has applied.
    """

    profiles: tuple[Profile, ...] = ("cpu",)

    def __init__(
        self, contents: Contents, rest: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._contents, self._now = contents, now
        self._news = threading.Condition()
        self._standing = Standing()
        self._send: Send | None = None
        self._capabilities = 0
        self._sure = contents.at(rest)  # what it has said APPLIED of last
        self._refused: dict[bytes, tuple[float, str]] = {}  # until when, and why
        self._broken: str | None = None
        self._begun = self._gone = self._ending = False
        self.agent: Agent | None = None
        self.pushed = self.failures = 0

    @property
    def name(self) -> str:
        with self._news:
            number, status = self._standing.number, self._standing.status
        said = "no status yet" if status is None else status.state.upper()
        return f"opamp: {said}" + ("" if number is None else f", {number} in force")

    def connected(self, send: Send) -> None:
        """Its supervisor is here, whose first report comes next. send: must not wait."""
        with self._news:
            self._send = send
            self._standing.status = None  # what it knows now, it says anew

    def lost(self) -> None:
        """Its connection is gone."""
        with self._news:
            self._send = None
            self._news.notify_all()

    def leave(self) -> None:
        """It will not come back as this agent's: nothing is waited for any more."""
        with self._news:
            self._gone = True
            self._news.notify_all()

    def end(self) -> None:
        """The bridge ends: the last frequency is told, and hardly waited for."""
        with self._news:
            self._ending = True
            self._news.notify_all()

    def hear(self, report: Report, *, first: bool = False) -> None:
        """A message of its. first: of its connection; then it is told what it has missed."""
        with self._news:
            self._capabilities = report.capabilities or self._capabilities
            self._standing.hear(report, self._contents)
            told, status = self._standing.told, report.status
            if told is not None and status is not None and status.hash == told.hash:
                if status.state == "failed":
                    self._put_back(told)
                elif status.state == "applied":
                    self._sure = told
            if first and self._begun:
                newest = self._newest()
                offer = told if newest is None else self._contents.at(newest)
                if offer is not None and self._refusal(offer) is None:
                    self._tell(offer)
            self._news.notify_all()

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        """Have the collector run at it, and return once it has confirmed that it does.

        Raise `ProfilerFailed` with its error, after which it has been told what was before.
        """
        hz = decisions["cpu"].hz
        offer = self._contents.at(hz)
        self._settle(hz)
        with self._news:
            if self._gone or (self._ending and self._send is None):
                return None
            self._check(offer)
            self._broken = None
            self._tell(offer)
            if self._confirms(offer, hz):
                return {"cpu": self._contents.reached(hz)}
        return None

    def trouble(self) -> str | None:
        """Why what it has confirmed does not hold any more. Waits for nothing but a lock."""
        with self._news:
            if self._gone or not self._begun:
                return None
            return AWAY if self._send is None else self._broken

    def _settle(self, hz: int) -> None:
        """The first time, wait a moment for the plans. Raise `ProfilerFailed` if they say other."""
        with self._news:
            if self._begun or self.agent is None:
                self._begun = True
                return
            deadline = self._now() + PLANS_S
            while not (self._gone or self._ending or self.agent.connected):
                if self._now() >= deadline:
                    break
                self._news.wait(LOOK_S / 5)
            self._begun = True
            if self._newest() not in (None, hz):
                raise ProfilerFailed(NEWER)

    def _newest(self) -> int | None:
        decision = None if self.agent is None else self.agent.decisions.get("cpu")
        return None if decision is None else decision.hz

    def _check(self, offer: Offer) -> None:
        if self._send is None:
            raise ProfilerFailed(AWAY)
        if not self._capabilities & ACCEPTS_REMOTE_CONFIG:
            raise ProfilerFailed(
                "it accepts no remote configuration: set accepts_remote_config of its supervisor"
            )
        if (why := self._refusal(offer)) is not None:
            raise ProfilerFailed(why)

    def _refusal(self, offer: Offer) -> str | None:
        until, why = self._refused.get(offer.hash, (0.0, ""))
        return why if self._now() < until and offer.hz > self._sure.hz else None

    def _tell(self, offer: Offer) -> None:
        """Unless it has it, and has confirmed it."""
        if self._standing.holds(offer):
            self._standing.told = self._sure = offer
        elif self._send is not None:
            self._standing.tell(offer)
            self.pushed += 1
            self._send(offer)

    def _put_back(self, offer: Offer) -> None:
        """It has refused what it was told: back to what it had confirmed, at once."""
        self.failures += 1
        self._broken = f"the collector: {self._standing.error()}"
        self._refused.pop(offer.hash, None)
        self._refused[offer.hash] = (self._now() + REST_S, self._broken)
        while len(self._refused) > MAX_REFUSED:
            self._refused.pop(next(iter(self._refused)))
        if self._sure.hash != offer.hash:
            self._tell(self._sure)

    def _confirms(self, offer: Offer, hz: int) -> bool:
        """Wait for it. False where nobody waits any more. Raise `ProfilerFailed`."""
        last = self._ending
        deadline = self._now() + (LAST_S if last else CONFIRM_S)
        while not self._gone:
            if self._broken is not None:
                raise ProfilerFailed(self._broken)
            if self._standing.confirms(offer):
                return True
            if self._send is None:
                raise ProfilerFailed("its supervisor went away before it had confirmed")
            if not last and (self._ending or self._newest() not in (None, hz)):
                raise ProfilerFailed(NEWER)
            if self._now() >= deadline:
                break
            self._news.wait(LOOK_S)
        if self._gone or last:
            return False
        raise ProfilerFailed(
            f"the collector has not said within {CONFIRM_S:g} s that it applies it"
        )
