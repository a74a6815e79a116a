"""One agent at work in one process: subscription → resolve → driver, timers, status.

`Engine.run` is the body of the agent's thread. Nothing in here waits for the driver, and no timer
waits for Redis.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from . import __version__
from .config import Config
from .contract import (
    INSTANCE,
    SET_BACK_MS,
    Applied,
    Baseline,
    Keys,
    Plan,
    Requested,
    State,
    Status,
    encode_status,
)
from .contract.errors import WireError
from .contract.resolve import Decision, resolve
from .drivers.adapter import AdaptedDriver
from .driving import DriverThread
from .following.clock import RedisClock
from .following.plans import Plans
from .runtime.complaints import Complaints
from .runtime.elapsed import elapsed_s
from .runtime.log import describe, log
from .runtime.loop import Loop, end

if TYPE_CHECKING:
    from .following.subscription import Subscription

#: From a change to a look at where it stands. The driver's thread shares the interpreter's lock
#: with ours, and goes first.
LOOK_S = 0.005

#: How soon a decision that failed is tried again.
UNDECIDED_MS = 1000
#: How far the wall clock may drift from the other in a nap before it counts as a jump.
JUMP_S = 1.0
#: How long a timer sleeps at once: the machine may be suspended meanwhile, and a timer with it.
#: After waking, a boost has to end within 1 s.
NAP_S = 0.5


class Engine:
    """Runs on the agent's thread. `stop` and the attributes serve any thread."""

    def __init__(self, config: Config, driver: AdaptedDriver) -> None:
        self._config = config
        # Nothing that an agent is told, or finds, is sure to be its own: see `AGENT`.
        self._field = os.urandom(8).hex()
        self._attributes = config.identity(os.environ, self._field)
        self._instance = self._attributes[INSTANCE]
        self._plans = Plans(config.targets, config.secrets)
        self._clock = RedisClock(time.time() * 1000, _elapsed_ms())
        self._driver_name = driver.name
        self._driver = DriverThread(driver, self._attributes, self._driver_moved)
        self._subscription: Subscription | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._slow: asyncio.TimerHandle | None = None
        self._looking = False
        self._heard_ms = 0.0
        self._since: tuple[State, int] | None = None
        self._complaints = Complaints()
        self._ahead_s = time.time() - elapsed_s()
        self._loop = Loop()
        self._loop.set_exception_handler(_told)
        self._stop = asyncio.Event()
        self.decision = self._resolve()
        self.status: Status | None = None

    @property
    def connected(self) -> bool:
        return self._subscription is not None and self._subscription.connected

    def run(self, begun: Callable[[], None]) -> None:
        """begun(): nothing is left to be imported, the work goes on."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main(begun))

    def stop(self) -> None:
        self._call(self._stop.set)

    def close(self) -> None:
        """In place of `run`: let go of the loop."""
        self._loop.close()

    def join_driver(self, timeout_s: float) -> None:
        self._driver.join(timeout_s)

    def end_driver(self) -> None:
        """After `run` has failed: nobody else will take the profiler down."""
        self._driver.close(Decision(hz=self._config.baseline_hz))

    async def _main(self, begun: Callable[[], None]) -> None:
        self._driver.start()
        self._decide()  # the local baseline, before anything is known of Redis
        from .following.subscription import Subscription

        self._subscription = Subscription(
            self._config.redis_url,
            Keys(self._config.namespace),
            self._config.targets,
            hear=self._hear,
            read=self._read,
            report=self._report,
        )
        following = asyncio.create_task(self._subscription.run(), name="upshift-subscription")
        begun()
        await self._stop.wait()
        self._driver.close(self._resolve(leases=False))
        await self._subscription.farewell()
        await end(following)
        self._loop.abort_connections()

    def _hear(self, target: str, message: bytes) -> None:
        """A plan was pushed."""
        now_ms = self._heard_ms = _elapsed_ms()
        # Before the first TIME nothing can be said about age: it counts as part of the snapshot.
        pushed_at_ms = self._clock.now_ms(now_ms) if self._clock.synchronised else None
        plan = self._take(target, message, pushed_at_ms)
        if plan is not None:
            self._clock.hear(plan.now_ms, now_ms)
            self._decide()
            if pushed_at_ms is not None and abs(pushed_at_ms - plan.now_ms) > SET_BACK_MS:
                self._doubt()

    def _doubt(self) -> None:
        """Redis's clock may have moved, or a push was none: see what there is, and when."""
        if self._subscription is not None:
            self._subscription.read_soon()

    def _read(
        self, plans: dict[str, bytes], redis_ms: float, sent_ms: float, received_ms: float
    ) -> None:
        """A snapshot was read."""
        self._clock.observe(redis_ms, sent_ms, received_ms)
        for target, message in plans.items():
            self._take(target, message, asked_ms=sent_ms)
        self._plans.bound(self._now_ms())
        self._decide()

    def _take(
        self,
        target: str,
        message: bytes,
        pushed_at_ms: int | None = None,
        *,
        asked_ms: float = math.inf,
    ) -> Plan | None:
        """asked_ms: when it was read; what was pushed since may be newer."""
        reported = self._plans.skipped
        now_ms = self._now_ms() if self._clock.synchronised else None
        try:
            return self._plans.take(target, message, pushed_at_ms=pushed_at_ms, now_ms=now_ms)
        except WireError as error:
            self._complaints.make(f"skipped a plan of {target}: {error}")
            if pushed_at_ms is not None or self._heard_ms >= asked_ms:
                self._doubt()
            return None
        finally:
            if self._plans.skipped != reported:
                self._refresh()

    def _decide(self) -> None:
        former, decision = self.decision, self._resolve()
        self.decision = decision
        self._sleep_until_due()  # first of all: nothing that follows must keep a lease from ending
        self._driver.want(decision, self._plans.revs)
        if decision.hz != former.hz:
            log.info("%d Hz: %s", decision.hz, decision.reason)
        self._refresh()

    def _sleep_until_due(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        if self.decision.until_ms is not None:
            delay_s = max(0, self.decision.until_ms - self._now_ms()) / 1000
            self._expiry = self._loop.call_later(min(delay_s, NAP_S), self._awake)

    def _awake(self) -> None:
        until_ms = self.decision.until_ms
        if until_ms is None or until_ms <= self._now_ms():
            self._decide()
            return
        self._sleep_until_due()
        # A virtual machine that was paused finds all of its clocks standing where they were, until
        # somebody sets its wall clock right.
        ahead_s = time.time() - elapsed_s()
        if abs(ahead_s - self._ahead_s) > JUMP_S:
            self._ahead_s = ahead_s
            self._doubt()

    def _resolve(self, *, leases: bool = True) -> Decision:
        plans = self._plans.known
        try:
            return resolve(
                plans if leases else [replace(plan, leases=()) for plan in plans],
                self._attributes,
                Baseline(self._config.baseline_hz),
                self._config.max_hz,
                self._now_ms(),
            )
        except Exception as error:  # noqa: BLE001  # no memory, or a mistake of ours: down, not up
            self._complaints.make(f"cannot decide: {describe(error)}")
            hz = min(self.decision.hz, self._config.baseline_hz)
            reason = "baseline (no decision could be made; trying again)"
            return Decision(hz=hz, reason=reason, until_ms=self._now_ms() + UNDECIDED_MS)

    def _driver_moved(self) -> None:
        self._call(self._refresh)

    def _refresh(self) -> None:
        """Something changed that the status tells of."""
        if not self._looking:
            self._looking = True
            self._loop.call_later(LOOK_S, self._look)
        if self._subscription is not None:
            self._subscription.report_soon()

    def _report(self) -> tuple[str, str, int]:
        status = self._look()
        return self._field, encode_status(status), status.at_ms

    def _look(self) -> Status:
        """Bring `status` up to date, and see to it that a slow driver is noticed in time."""
        self._looking = False
        decision, now_ms = self.decision, self._now_ms()
        view = self._driver.view()
        if self._slow is not None:
            self._slow.cancel()
        if view.slow_in_s is not None:
            self._slow = self._loop.call_later(view.slow_in_s, self._refresh)
        if self._since is None or self._since[0] != view.state:
            self._since = view.state, now_ms
        self.status = Status(
            instance=self._instance,
            attributes=self._attributes,
            driver=self._driver_name,
            at_ms=now_ms,
            state=view.state,
            since_ms=self._since[1],
            requested=Requested(
                hz=decision.hz,
                revs=self._plans.revs,
                lease=None if decision.lease is None else decision.lease.id,
                reason=decision.reason,
                until_ms=decision.until_ms,
                clamped_from=decision.clamped_from,
            ),
            applied=None
            if view.confirmed is None
            else Applied(
                hz=view.confirmed.hz,
                revs=view.confirmed.revs,
                at_ms=self._clock.now_ms(view.confirmed.at_s * 1000),
                achieved_hz=view.confirmed.achieved_hz,
            ),
            error=view.error,
            skipped=self._plans.skipped,
            max_hz=self._config.max_hz,
            sdk=f"python/{__version__}",
        )
        return self.status

    def _now_ms(self) -> int:
        return self._clock.now_ms(_elapsed_ms())

    def _call(self, callback: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is left to be done
            self._loop.call_soon_threadsafe(callback)


def _elapsed_ms() -> float:
    return elapsed_s() * 1000


def _told(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """What asyncio would log itself, with a traceback, from the thread that ends leases."""
    error = context.get("exception")
    why = describe(error) if isinstance(error, BaseException) else "no exception"
    log.error("%s: %s", context.get("message"), why)
