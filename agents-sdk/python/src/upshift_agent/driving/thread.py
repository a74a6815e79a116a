"""The thread that applies decisions to the driver. Nothing else waits for a driver."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..contract import Cause, Profile, shown_all
from ..contract.resolve import Decision
from ..drivers.adapter import AdaptedDriver, Turn
from ..runtime.complaints import Complaints
from ..runtime.elapsed import elapsed_s
from ..runtime.gate import gate
from ..runtime.log import describe
from .progress import Decisions, Job, Progress, View

#: How often a thread looks whether it is its turn, while another still has the driver.
TURN_S = 0.5


class DriverThread:
    """Applies decisions one at a time. `changed` is called, on this thread, whenever `view` is
    worth another look."""

    def __init__(
        self, driver: AdaptedDriver, attributes: Mapping[str, str], changed: Callable[[], None]
    ) -> None:
        self._driver = driver
        self._attributes = attributes
        self._called = False
        self._changed = changed
        self._progress = Progress()
        self._news = threading.Condition()
        self._closing = False
        self._complaints = Complaints()
        self._thread = threading.Thread(target=self._run, name="upshift-driver", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def want(self, decisions: Decisions, revs: Mapping[str, int]) -> None:
        with self._news:
            self._progress.want(decisions, revs, elapsed_s())
            self._news.notify()

    def achieved_hz(self) -> Mapping[Profile, float]:
        """What the driver says at this moment, if it can; it does not wait."""
        return self._driver.achieved()

    def trouble(self) -> str | None:
        """Why what was confirmed does not hold any more, if the driver can tell."""
        return self._driver.trouble()

    def shared(self) -> str | None:
        """The profiler that it shares with other agents, if it does."""
        return self._driver.shared()

    @property
    def name(self) -> str:
        return self._driver.name

    def close(self, last: Decisions) -> None:
        """End as soon as the driver returns: close it, or leave the profiler at `last`."""
        with self._news:
            self._closing = True
            self._progress.want(last, {}, elapsed_s())
            self._news.notify()

    def join(self, timeout_s: float) -> None:
        # A thread that was never started cannot be joined, nor can a driver wait for itself.
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def view(self) -> View:
        with self._news:
            return self._progress.view(elapsed_s())

    def _run(self) -> None:
        turn = self._driver.turn  # a driver that forks finds another one in the child
        if not self._have_turn(turn):
            return
        try:
            while (job := self._take()) is not None:
                with gate:
                    self._do(job)
            with gate:
                self._end()
        finally:
            turn.release()

    def _have_turn(self, turn: Turn) -> bool:
        """Wait until no other thread has the driver: that of an agent that was stopped and whose
        driver has not returned yet, or another agent's that was handed the same one."""
        waiting = False
        while not turn.acquire(timeout=TURN_S if waiting else 0):
            with self._news:
                if self._closing:
                    return False
                if not waiting:
                    self._progress.begin(elapsed_s())
            if not waiting:
                with gate:
                    self._complaints.make(
                        "the driver is still busy for another agent, or for this one"
                    )
            waiting = True
        with self._news:
            self._progress.idle()
        return True

    def _do(self, job: Job) -> None:
        try:
            achieved_hz = self._apply(job)
        except BaseException as error:  # noqa: BLE001  # SystemExit and Rust panics, too
            said = describe(error)
            with self._news:
                self._progress.fail(job, said, elapsed_s())
            self._complaints.make(f"driver failed to set {shown_all(job.hz)}: {said}")
        else:
            self._complaints.forget()
            with self._news:
                self._progress.succeed(job, achieved_hz, elapsed_s())
        self._changed()

    def _apply(self, job: Job) -> Mapping[Profile, float]:
        if not self._called:
            self._driver.identify(self._attributes)
        self._called = True
        return self._driver.apply(self._for_driver(job))

    def _take(self) -> Job | None:
        """Wait for decisions that need the driver; None when there will be no more."""
        with self._news:
            while not self._closing:
                now = elapsed_s()
                job = self._progress.next(now)
                if isinstance(job, Job):
                    self._progress.begin(now)
                    return job
                self._news.wait(job)
        return None

    def _for_driver(self, job: Job) -> Decisions:
        before = self._progress.confirmed
        return {
            profile: _of_its_own(decision, None if before is None else before.hz.get(profile))
            for profile, decision in job.decisions.items()
        }

    def _end(self) -> None:
        """Nobody will step this profiler down any more, so leave it as if no lease applied."""
        if not self._called:
            return
        last = self._progress.next(math.inf)
        try:
            self._driver.close(self._for_driver(last) if isinstance(last, Job) else None)
        except BaseException as error:  # noqa: BLE001  # nobody is left to be told but the log
            self._complaints.make(f"driver failed to stop: {describe(error)}")


def _of_its_own(decision: Decision, previous_hz: int | None) -> Decision:
    """What a driver does to it must not reach the plan."""
    lease = decision.lease
    return replace(
        decision,
        previous_hz=previous_hz,
        because=dict(decision.because),
        lease=lease
        and replace(lease, where=dict(lease.where), cause=Cause(dict(lease.cause.said))),
    )
