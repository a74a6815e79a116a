"""The thread that applies decisions to the driver. Nothing else waits for a driver."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..contract import Cause
from ..contract.resolve import Decision
from ..drivers.adapter import AdaptedDriver, Turn
from ..runtime.complaints import Complaints
from ..runtime.elapsed import elapsed_s
from ..runtime.gate import gate
from ..runtime.log import describe
from .progress import Progress, View

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

    def want(self, decision: Decision, revs: Mapping[str, int]) -> None:
        with self._news:
            self._progress.want(decision, revs, elapsed_s())
            self._news.notify()

    def close(self, last: Decision) -> None:
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
                    self._do(*job)
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

    def _do(self, decision: Decision, revs: Mapping[str, int]) -> None:
        try:
            achieved_hz = self._apply(decision)
        except BaseException as error:  # noqa: BLE001  # SystemExit and Rust panics, too
            said = describe(error)
            with self._news:
                self._progress.fail(decision.hz, said, elapsed_s())
            self._complaints.make(f"driver failed to set {decision.hz} Hz: {said}")
        else:
            self._complaints.forget()
            with self._news:
                self._progress.succeed(decision.hz, revs, achieved_hz, elapsed_s())
        self._changed()

    def _apply(self, decision: Decision) -> float | None:
        if not self._called:
            self._driver.identify(self._attributes)
        self._called = True
        return self._driver.apply({"cpu": decision}).get("cpu")

    def _take(self) -> tuple[Decision, Mapping[str, int]] | None:
        """Wait for a decision that needs the driver; None when there will be no more."""
        with self._news:
            while not self._closing:
                now = elapsed_s()
                job = self._progress.next(now)
                if isinstance(job, tuple):
                    self._progress.begin(now)
                    return self._with_previous(job[0]), job[1]
                self._news.wait(job)
        return None

    def _with_previous(self, decision: Decision) -> Decision:
        confirmed = self._progress.confirmed
        lease = decision.lease
        return replace(
            decision,
            previous_hz=None if confirmed is None else confirmed.hz,
            # Of its own: what a driver does to them must not reach the plan.
            because=dict(decision.because),
            lease=lease
            and replace(lease, where=dict(lease.where), cause=Cause(dict(lease.cause.said))),
        )

    def _end(self) -> None:
        """Nobody will step this profiler down any more, so leave it as if no lease applied."""
        if not self._called:
            return
        last = self._progress.next(math.inf)
        try:
            self._driver.close(
                {"cpu": self._with_previous(last[0])} if isinstance(last, tuple) else None
            )
        except BaseException as error:  # noqa: BLE001  # nobody is left to be told but the log
            self._complaints.make(f"driver failed to stop: {describe(error)}")
