"""The agent, as the application sees it: made, started, stopped. Light, and it never waits.

Everything heavy (resolve, asyncio, redis) is imported by the agent's own thread; only the checks
of the constructor load a few modules of the standard library.
"""

from __future__ import annotations

import os
import threading
import time

from .following import thread
from .runtime import process
from .runtime.gate import gate
from .runtime.log import log

TYPE_CHECKING = False  # importing typing would cost more than the rest of this module
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Self

    from .config import Config
    from .contract import Profile, Status
    from .contract.resolve import Decision
    from .drivers.adapter import AdaptedDriver
    from .engine import Engine
    from .following.follower import Follower


class Agent:
    """Follows the plans of a service (or a node) and drives one profiler.

    redis_url: `redis://`, `rediss://` or `unix://`, the controller's Redis.
    driver: a callable that takes a `Decision`, a `Driver`, or the name of one that is installed.
    service: what OpenTelemetry calls `service.name`.
    node: for a host agent: the node whose plans it follows.
    attributes: further OpenTelemetry Resource attributes, which a lease's `where` may ask for.
    baseline_hz: cpu's frequency in Hz while Redis has never been reached; all else is off.
    max_hz: the frequency that no profile of this process exceeds, whatever is asked for: in Hz, of
        `heap` in snapshots an hour.
    secrets: what plans must be signed with; several while they are being changed.
    surroundings: whether the agent is where this process is, in its pod and its namespace; False
        for one that speaks for another process, and then `attributes` say it all.

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
        surroundings: bool = True,
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
            surroundings=surroundings,
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
                self._run = Run(self._config, self._driver)
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
    def decisions(self) -> Mapping[Profile, Decision]:
        """What the agent wants of its driver now, by profile; empty until it has started."""
        engine = self._run and self._run.engine
        return engine.decisions if engine else {}

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
            self._run = Run(self._config, self._driver)
            self._run.start()


class Run:
    """One life of an agent in one process: from start to stop, fork or exit."""

    def __init__(self, config: Config, driver: AdaptedDriver) -> None:
        self.engine: Engine | None = None
        self.ended = threading.Event()
        self._config = config
        self._driver = driver
        self._source = config.source

    def start(self) -> None:
        thread.join(self._source, self)

    def make(self, follower: Follower) -> Engine:
        """On the follower's thread, which loads all that is heavy."""
        from .engine import Engine

        return Engine(self._config, self._driver, follower)

    def take(self, engine: Engine) -> None:
        self.engine = engine

    def stop(self) -> None:
        thread.leave(self._source, self)

    def join(self, deadline: float) -> None:
        """Wait until `deadline` (of `time.monotonic`) at the longest."""
        self.ended.wait(max(0, deadline - time.monotonic()))
        if self.engine is not None:
            self.engine.join_driver(max(0, deadline - time.monotonic()))
        log.flush(deadline)
