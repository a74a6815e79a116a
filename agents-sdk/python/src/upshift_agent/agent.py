"""The agent, as the application sees it: made, started, stopped. Light, and it never waits.

Everything heavy (resolve, asyncio, redis) is imported by the agent's own thread; only the checks
of the constructor load a few modules of the standard library.
"""

from __future__ import annotations

import os
import threading
import time

from .runtime import process
from .runtime.gate import gate
from .runtime.log import describe, log

TYPE_CHECKING = False  # importing typing would cost more than the rest of this module
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Self

    from .config import Config
    from .contract import Status
    from .contract.resolve import Decision
    from .drivers.adapter import AdaptedDriver
    from .engine import Engine


BEGIN_S = 5.0  # an agent's thread that has not begun by then is reported, and another one tried
ATTEMPTS = 3  # at a thread that does not hang
#: Between tries of an agent that fails as a whole.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


class Agent:
    """Follows the plans of a service (or a node) and drives one profiler.

    redis_url: `redis://`, `rediss://` or `unix://`, the controller's Redis.
    driver: a callable that takes a `Decision`, a `Driver`, or the name of one that is installed.
    service: what OpenTelemetry calls `service.name`.
    node: for a host agent: the node whose plans it follows.
    attributes: further OpenTelemetry Resource attributes, which a lease's `where` may ask for.
    baseline_hz: the frequency in Hz while Redis has never been reached.
    max_hz: the frequency in Hz that this process never exceeds, whatever is asked for.
    secrets: what plans must be signed with; several while they are being changed.

    Raises `ConfigurationError` for arguments that cannot work. After that nothing is ever raised:
    what goes wrong is logged, once, by the logger "upshift_agent", and told in the status.
    """

    def __init__(
        self,
        *,
        redis_url: str,
        driver: object,
        service: str | None = None,
        node: str | None = None,
        attributes: Mapping[str, str] | None = None,
        baseline_hz: int = 19,
        max_hz: int | None = None,
        namespace: str = "upshift",
        secrets: str | bytes | Sequence[str | bytes] = (),
    ) -> None:
        from .config import Config, as_secrets
        from .drivers.adapter import adapt

        self._config = Config(
            redis_url=redis_url,
            service=service,
            node=node,
            attributes={} if attributes is None else attributes,
            baseline_hz=baseline_hz,
            max_hz=max_hz,
            namespace=namespace,
            secrets=as_secrets(secrets),
        )
        self._driver = adapt(driver)
        self._lock = threading.RLock()  # a signal handler may stop what is just being started
        self._run: Run | None = None

    @classmethod
    def from_env(cls, **arguments: Any) -> Self:
        """An agent as the environment describes it; `arguments` go before it.

        Reads UPSHIFT_REDIS_URL (required), UPSHIFT_BASELINE_HZ, UPSHIFT_MAX_HZ, UPSHIFT_NAMESPACE,
        UPSHIFT_SECRET_FILE (one secret a line), UPSHIFT_DRIVER (the name of one that is installed),
        OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES.
        """
        from .config import from_environment
        from .contract.errors import ConfigurationError

        found = {**from_environment(os.environ), **arguments}
        if "driver" not in found:
            raise ConfigurationError("which driver? Pass driver=..., or set UPSHIFT_DRIVER")
        return cls(**found)

    def start(self) -> None:
        """Begin, and return at once. A started agent stays as it is.

        In a child of a fork that ran no handlers, every agent begins anew: see `catch_up`.
        """
        process.catch_up()
        with gate, self._lock:
            if self._run is None:
                process.watch()
                self._run = Run(self._config, self._driver, self._begin_again)
                process.agents.append(self)
                self._run.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Leave the profiler at its baseline, or closed if the driver can, within `timeout_s`.

        A driver that hangs is left behind. The agent can be started again.
        """
        run = self.begin_stop()
        if run is not None:
            run.join(time.monotonic() + timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def decision(self) -> Decision | None:
        """What the agent wants of its driver now; None until it has started."""
        engine = self._run and self._run.engine
        return engine.decision if engine else None

    @property
    def status(self) -> Status | None:
        """What the agent reports to the controller, or would; None until it has started."""
        engine = self._run and self._run.engine
        return engine.status if engine else None

    @property
    def connected(self) -> bool:
        """Whether plans are being followed at this moment."""
        engine = self._run and self._run.engine
        return bool(engine and engine.connected)

    def begin_stop(self) -> Run | None:
        """Tell the agent to stop, without waiting for it."""
        with gate, self._lock:
            run, self._run = self._run, None
            if run is not None:
                process.agents.remove(self)
                run.stop()
            return run

    def restart_after_fork(self) -> None:
        """In a forked child: begin anew, with nothing of the parent's."""
        self._lock = threading.RLock()
        if self._run is not None:
            self._driver.renew_turn()
            self._run = Run(self._config, self._driver, self._begin_again)
            self._run.start()

    def _begin_again(self, late: Run) -> None:
        """From a thread of its own, if that of `late` is still wanted."""
        with gate, self._lock:
            if self._run is late:
                late.stop()
                self._run = Run(self._config, self._driver, self._begin_again, late.attempt + 1)
                self._run.start()


class Run:
    """One life of an agent in one process: from start to stop, fork or exit.

    late(run): its thread has not begun its work in time. attempt: how often that was so before.
    """

    def __init__(
        self, config: Config, driver: AdaptedDriver, late: Callable[[Run], None], attempt: int = 0
    ) -> None:
        self.engine: Engine | None = None
        self.attempt = attempt
        self._config = config
        self._driver = driver
        self._late = late
        self._stopping = threading.Event()
        self._begun = threading.Event()
        self._failure = ""
        self._thread = threading.Thread(target=self._work, name="upshift-agent", daemon=True)

    def start(self) -> None:
        try:
            self._thread.start()
            threading.Thread(target=self._watch, name="upshift-watch", daemon=True).start()
        except RuntimeError as error:  # no more threads to be had
            log.error("the agent cannot run here: %s", describe(error))

    def _watch(self) -> None:
        """See the work begin. A lock that nobody will release, or an error, may be in its way."""
        if self._begun.wait(BEGIN_S * 2 ** min(self.attempt, 4)) or self._stopping.is_set():
            return
        with gate:
            hangs = self._thread.is_alive()
            process.log_late(self._thread.ident if hangs else None)
        # Each attempt that hangs costs a thread for good.
        if not hangs or self.attempt < ATTEMPTS:
            self._late(self)

    def stop(self) -> None:
        self._stopping.set()
        if self.engine is not None:
            self.engine.stop()

    def join(self, deadline: float) -> None:
        """Wait until `deadline` (of `time.monotonic`) at the longest."""
        # A thread that was never started cannot be joined.
        if self._thread.ident is not None:
            self._thread.join(max(0, deadline - time.monotonic()))
        if self.engine is not None:
            self.engine.join_driver(max(0, deadline - time.monotonic()))
        log.flush(deadline)

    def _work(self) -> None:
        pause_s, told = FIRST_PAUSE_S, ""
        while not self._follow() and not self._stopping.is_set():
            with gate:
                if told != (told := self._failure):
                    log.error("the agent cannot run here, and tries again: %s", told)
            self._stopping.wait(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _follow(self) -> bool:
        """Run until it is stopped. Return False if that failed; the profiler is left at rest."""
        engine = None
        try:
            with gate:
                from .engine import Engine

                engine = self.engine = Engine(self._config, self._driver)
                if self._stopping.is_set():  # said before there was an engine to tell
                    engine.close()
                    return True
                engine.run(self._begun.set)
        except BaseException as error:  # noqa: BLE001  # the application must not hear of it
            with gate:
                self._failure = describe(error)
                if engine is not None:
                    engine.end_driver()
            self._begun.set()  # it does not hang, and tries again by itself
            return False
        return True
