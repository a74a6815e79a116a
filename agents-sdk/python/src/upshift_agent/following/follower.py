"""Follows the plans of all members, over connections that they share.

What it knows (plans, Redis time) is there for each member to ask. It calls them when something has
changed, one after the other, on its event loop; what one of them raises costs no other its call.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence, Set
from typing import TYPE_CHECKING, Protocol

from ..contract import SET_BACK_MS, Keys, Plan
from ..contract.errors import WireError
from ..runtime.complaints import Complaints
from ..runtime.elapsed import elapsed_s
from ..runtime.log import describe
from ..runtime.loop import end
from .clock import RedisClock
from .plans import Plans

if TYPE_CHECKING:
    from .reporting import Reporter
    from .subscription import Subscription

#: How far the wall clock may drift from the other before it counts as a jump.
JUMP_S = 1.0


class Member(Protocol):
    """One that follows `targets`. Its methods are called on the follower's loop, and never wait."""

    @property
    def targets(self) -> Sequence[str]: ...
    @property
    def home(self) -> str: ...
    @property
    def field(self) -> str: ...
    @property
    def version(self) -> str | None: ...

    def plans_changed(self) -> None:
        """A plan of its targets, or Redis time, is another one."""

    def refresh(self) -> None:
        """What of its targets is skipped has changed."""

    def report(self) -> tuple[str, int]:
        """The status to write now: its JSON, and Redis time in milliseconds."""


class Follower:
    """home: in a cluster, the target whose server is followed and reported to."""

    def __init__(self, url: str, namespace: str, secrets: Sequence[bytes], home: str) -> None:
        self._url, self._namespace, self._home = url, namespace, home
        self.plans = Plans(secrets)
        self.clock = RedisClock(time.time() * 1000, elapsed_ms())
        self._members: list[Member] = []
        self._heard_ms: dict[str, float] = {}
        self._subscription: Subscription | None = None
        self._complaints = Complaints()
        self._ahead_s = time.time() - elapsed_s()

    async def run(self, begun: Callable[[], None], stop: asyncio.Event) -> None:
        """Follow until `stop`. begun(): nothing is left to be imported, the work goes on."""
        from .subscription import Subscription

        self._subscription = Subscription(
            self._url, Keys(self._namespace), self._home, hear=self._hear, read=self._read
        )
        self._subscription.follow(self._targets())
        for member in self._members:
            self._subscription.reports.join(member)
        following = asyncio.create_task(self._subscription.run(), name="upshift-subscription")
        begun()
        await stop.wait()
        await end(following)

    def join(self, member: Member) -> None:
        self._members.append(member)
        if self._subscription is not None:
            self._subscription.follow(self._targets())
            self._subscription.reports.join(member)

    async def leave(self, member: Member) -> None:
        """Call `member` no more, and take its status back if that can be done at once."""
        former = self._targets()
        self._members.remove(member)
        left = self._targets()
        for target in former:
            if target not in left:
                self.plans.forget(target)
                self._heard_ms.pop(target, None)
        if self._subscription is not None:
            if left:
                self._subscription.follow(left)
            await self._subscription.farewell(member)

    def follows(self, targets: Sequence[str]) -> bool:
        """Whether `targets` are being followed at this moment."""
        return self._subscription is not None and self._subscription.follows(targets)

    def now_ms(self) -> int:
        """Redis time."""
        return self.clock.now_ms(elapsed_ms())

    def report_soon(self, reporter: Reporter) -> None:
        if self._subscription is not None:
            self._subscription.reports.soon(reporter)

    def watch_clocks(self) -> None:
        """A virtual machine that was paused finds all of its clocks standing where they were, until
        somebody sets its wall clock right."""
        ahead_s = time.time() - elapsed_s()
        if abs(ahead_s - self._ahead_s) > JUMP_S:
            self._ahead_s = ahead_s
            self._doubt()

    def _targets(self) -> dict[str, None]:
        return dict.fromkeys(target for member in self._members for target in member.targets)

    def _hear(self, target: str, message: bytes) -> None:
        """A plan was pushed."""
        now_ms = self._heard_ms[target] = elapsed_ms()
        # Before the first TIME nothing can be said about age: it counts as part of the snapshot.
        pushed_at_ms = self.clock.now_ms(now_ms) if self.clock.synchronised else None
        plan = self._take(target, message, pushed_at_ms)
        if plan is not None:
            self.clock.hear(plan.now_ms, now_ms)
            self._tell({target}, lambda member: member.plans_changed())
            if pushed_at_ms is not None and abs(pushed_at_ms - plan.now_ms) > SET_BACK_MS:
                self._doubt()

    def _read(
        self, plans: dict[str, bytes], redis_ms: float, sent_ms: float, received_ms: float
    ) -> None:
        """A snapshot was read."""
        moved = self.clock.observe(redis_ms, sent_ms, received_ms)
        wanted = self._targets()  # of which one may have been let go while it was read
        news = {
            target
            for target, plan in plans.items()
            if target in wanted and self._take(target, plan, asked_ms=sent_ms)
        }
        news |= self.plans.bound(self.now_ms())
        self._tell(None if moved else news, lambda member: member.plans_changed())

    def _take(
        self,
        target: str,
        message: bytes,
        pushed_at_ms: int | None = None,
        *,
        asked_ms: float = math.inf,
    ) -> Plan | None:
        """asked_ms: when it was read; what was pushed since may be newer."""
        refused = self.plans.refused(target)
        now_ms = pushed_at_ms
        if now_ms is None and self.clock.synchronised:
            now_ms = self.now_ms()
        try:
            return self.plans.take(target, message, pushed_at_ms=pushed_at_ms, now_ms=now_ms)
        except WireError as error:
            self._complaints.make(f"skipped a plan of {target}: {error}")
            if pushed_at_ms is not None or self._heard_ms.get(target, -math.inf) >= asked_ms:
                self._doubt()
            return None
        finally:
            if self.plans.refused(target) != refused:
                self._tell({target}, lambda member: member.refresh())

    def _doubt(self) -> None:
        """Redis's clock may have moved, or a push was none: see what there is, and when."""
        if self._subscription is not None:
            self._subscription.read_soon()

    def _tell(self, targets: Set[str] | None, call: Callable[[Member], None]) -> None:
        """Call the members that follow any of `targets`; all of them if that is None."""
        for member in tuple(self._members):
            if targets is None or not targets.isdisjoint(member.targets):
                try:
                    call(member)
                except Exception as error:  # noqa: BLE001  # the others are called all the same
                    self._complaints.make(f"an agent cannot do what is wanted: {describe(error)}")


def elapsed_ms() -> float:
    return elapsed_s() * 1000
