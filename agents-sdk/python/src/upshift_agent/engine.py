"""One agent at work: what its follower knows → resolve → driver, timers, status.

All of it runs on the follower's event loop, which other agents share. Nothing in here waits for the
driver, and no timer waits for Redis.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from . import __version__
from .config import Config
from .contract import (
    INSTANCE,
    Applied,
    Baseline,
    Confirmed,
    Plan,
    Profile,
    Requested,
    State,
    Status,
    Wanted,
    encode_status,
    shown_all,
    version_of,
)
from .contract.resolve import Decision, resolve
from .drivers.adapter import AdaptedDriver
from .driving.progress import Decisions, Standing
from .driving.thread import DriverThread
from .following.follower import Follower
from .runtime.complaints import Complaints
from .runtime.log import describe, log

#: From a change to a look at where it stands. The driver's thread shares the interpreter's lock
#: with ours, and goes first.
LOOK_S = 0.005

#: How soon a decision that failed is tried again.
UNDECIDED_MS = 1000
#: How long a timer sleeps at once: the machine may be suspended meanwhile, and a timer with it.
#: After waking, a boost has to end within 1 s.
NAP_S = 0.5


class Engine:
    """A member of its follower. The attributes, `join_driver` and `end_driver` serve any thread."""

    def __init__(self, config: Config, driver: AdaptedDriver, follower: Follower) -> None:
        # Nothing that an agent is told, or finds, is sure to be its own: see `AGENT`.
        self.field = os.urandom(8).hex()
        self._config = config
        self._follower = follower
        self._attributes = config.identity(os.environ, self.field)
        self._instance = self._attributes[INSTANCE]
        self.targets = config.targets(self._attributes)
        self.home = self.targets[0]
        self.version = version_of(self._attributes)
        self._profiles = driver.profiles
        self._baseline = Baseline(config.baseline_hz)
        self._driver = DriverThread(driver, self._attributes, self._driver_moved)
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._until_ms: int | None = None  # when any of the decisions changes
        self._expiry: asyncio.TimerHandle | None = None
        self._slow: asyncio.TimerHandle | None = None
        self._looking = False
        self._since: tuple[State, int] | None = None
        self._complaints = Complaints()
        self.decisions = self._resolve()
        self._revs: Mapping[str, int] = {}  # of the plans that it was made of
        self.status: Status | None = None

    @property
    def connected(self) -> bool:
        return self._follower.follows(self.targets)

    def start(self) -> None:
        self._driver.start()
        self.plans_changed()

    def close(self) -> None:
        """End as soon as the driver returns."""
        self._closed = True
        for timer in (self._expiry, self._slow):
            if timer is not None:
                timer.cancel()
        self._driver.close(self._resolve(leases=False))

    def join_driver(self, timeout_s: float) -> None:
        self._driver.join(timeout_s)

    def end_driver(self) -> None:
        """After all else has failed: nobody else will take the profiler down."""
        self._driver.close({one: Decision(hz=self._resting_hz(one)) for one in self._profiles})

    def plans_changed(self) -> None:
        former, decisions = self.decisions, self._resolve()
        self.decisions = decisions
        self._until_ms = min(
            (it.until_ms for it in decisions.values() if it.until_ms is not None), default=None
        )
        self._sleep_until_due()  # first of all: nothing that follows must keep a lease from ending
        self._revs = self._follower.plans.revs(self.targets)
        self._driver.want(decisions, self._revs)
        for profile, decision in decisions.items():
            if decision.hz != former[profile].hz:
                log.info("%s: %s", shown_all({profile: decision.hz}), decision.reason)
        self.refresh()

    def _sleep_until_due(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        if self._until_ms is not None:
            delay_s = max(0, self._until_ms - self._follower.now_ms()) / 1000
            self._expiry = self._loop.call_later(min(delay_s, NAP_S), self._awake)

    def _awake(self) -> None:
        if self._until_ms is None or self._until_ms <= self._follower.now_ms():
            self.plans_changed()
            return
        self._sleep_until_due()
        self._follower.watch_clocks()

    def _resolve(self, *, leases: bool = True) -> Decisions:
        """Decide for each profile of the driver."""
        try:
            plans: Sequence[Plan] = self._follower.plans.known(self.targets)
            if not leases:
                plans = [replace(plan, leases=()) for plan in plans]
            baseline, now_ms = self._baseline, self._follower.now_ms()
            return {
                profile: resolve(
                    plans, self._attributes, baseline, self._config.max_hz, now_ms, profile
                )
                for profile in self._profiles
            }
        except Exception as error:  # noqa: BLE001  # no memory, or a mistake of ours: down, not up
            self._complaints.make(f"cannot decide: {describe(error)}")
            reason = "baseline (no decision could be made; trying again)"
            until_ms = self._follower.now_ms() + UNDECIDED_MS
            return {
                profile: Decision(
                    hz=min(former.hz, self._resting_hz(profile)), reason=reason, until_ms=until_ms
                )
                for profile, former in self.decisions.items()
            }

    def _resting_hz(self, profile: Profile) -> int:
        """What it runs at by itself, without any plan."""
        return self._baseline.of("", profile)[0]

    def _driver_moved(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is left to be done
            self._loop.call_soon_threadsafe(self.refresh)

    def refresh(self) -> None:
        """Something changed that the status tells of."""
        if self._closed:
            return
        if not self._looking:
            self._looking = True
            self._loop.call_later(LOOK_S, self._look)
        self._follower.report_soon(self)

    def report(self) -> tuple[str, int]:
        status = self._look()
        return encode_status(status), status.at_ms

    def _look(self) -> Status:
        """Bring `status` up to date, and see to it that a slow driver is noticed in time."""
        self._looking = False
        now_ms = self._follower.now_ms()
        view = self._driver.view()
        if self._slow is not None:
            self._slow.cancel()
        if view.slow_in_s is not None:
            self._slow = self._loop.call_later(view.slow_in_s, self.refresh)
        state, error = view.state, view.error
        if state == "applied" and (trouble := self._driver.trouble()) is not None:
            state, error = "failed", trouble
        if self._since is None or self._since[0] != state:
            self._since = state, now_ms
        self.status = Status(
            instance=self._instance,
            attributes=self._attributes,
            driver=self._driver.name,
            at_ms=now_ms,
            state=state,
            since_ms=self._since[1],
            requested=Requested(
                revs=self._revs,
                profiles={one: _wanted(decision) for one, decision in self.decisions.items()},
            ),
            applied=None if view.confirmed is None else self._applied(view.confirmed),
            error=error,
            skipped=self._follower.plans.skipped(self.targets),
            max_hz=self._config.max_hz,
            sdk=f"python/{__version__}",
            profiler=self._driver.shared(),
        )
        return self.status

    def _applied(self, standing: Standing) -> Applied:
        achieved_hz = {**standing.achieved_hz, **self._driver.achieved_hz()}
        return Applied(
            revs=standing.revs,
            at_ms=self._follower.clock.now_ms(standing.at_s * 1000),
            profiles={
                one: Confirmed(hz=hz, achieved_hz=achieved_hz.get(one))
                for one, hz in standing.hz.items()
            },
        )


def _wanted(decision: Decision) -> Wanted:
    return Wanted(
        hz=decision.hz,
        lease=None if decision.lease is None else decision.lease.id,
        reason=decision.reason,
        until_ms=decision.until_ms,
        clamped_from=decision.clamped_from,
    )
