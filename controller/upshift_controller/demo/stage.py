"""Everything the demo runs, and what can be seen of it.

A receiver in this process; `upshift serve` with its own Valkey, two busy workers and a probe as
processes; one temporary folder. All of it is gone when the stage is left, however that happens.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from ..settings import Settings
from ..storage.own_valkey.embedded import end_orphan
from . import alertmanager, latency
from .alertmanager import Alert
from .errors import DemoFailed
from .processes import Child, child
from .receiving.busy_time import BusyTime
from .receiving.measured import Worker
from .receiving.receiver import Receiver, listening

SERVICE = "checkout"
TARGET = f"service/{SERVICE}"
WORKERS = ("checkout-1", "checkout-2")
BASELINE_HZ, BOOST_HZ, BOOST_S = 19, 100, 10
RULES = f"""\
sampling:
  default: {BASELINE_HZ}

  on_alert:
    - trigger: high_cpu
      frequency: {BOOST_HZ}
      duration: {BOOST_S}s  # 10m in production

    - trigger: {latency.ALERT}  # raised and reverted {latency.ROUNDS} times, to see how fast it is
      frequency: {latency.HZ}
      duration: 10s
      max_duration: 5m
      on_resolved: revert
"""
#: Seconds between uploads, the fewest that pyroscope-io knows; its default is 10.
UPLOAD_S = 1
_START_S = 30.0
_NEWS_S = 0.5  # until a death that has just happened is known
LOOK_EVERY_S = 0.1


class Stage:
    """A running demo. `workers` by name, as the controller and the profiles show them."""

    def __init__(
        self, session: aiohttp.ClientSession, config: Path, url: str, redis_url: str
    ) -> None:
        self.config = config
        self.url = url
        self.redis_url = redis_url
        self.workers = {name: Worker(name, BusyTime()) for name in WORKERS}
        self.children: list[Child] = []
        self.calls = latency.Calls()
        self.receiver = Receiver()
        self._session = session

    async def post(self, alert: Alert) -> dict[str, Any]:
        """Deliver an alert. Return what the controller did with it."""
        async with self._answering():
            return await alertmanager.post(self._session, self.url, alert)

    async def look(self) -> None:
        """Bring `workers` up to date. Raise `DemoFailed` if a process has ended."""
        self._check()
        async with (
            self._answering(),
            self._session.get(f"{self.url}/api/v1/targets/{TARGET}") as response,
        ):
            response.raise_for_status()
            view = await response.json()
        for agent in view["agents"]:
            if worker := self.workers.get(agent["instance"]):
                worker.report(agent)
        for name, worker in self.workers.items():
            worker.profiles = self.receiver.of(SERVICE, service_instance_id=name)

    async def until(
        self, condition: Callable[[], bool], seen: Callable[[], None], within_s: float
    ) -> bool:
        """Look again and again, at least once, until `condition` holds; whether it came to that."""
        deadline = time.monotonic() + within_s
        while True:
            await self.look()
            seen()
            if condition():
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(LOOK_EVERY_S)

    def all_at(self, hz: int) -> bool:
        return all(worker.runs_at(hz) for worker in self.workers.values())

    def _check(self) -> None:
        for running in self.children:
            running.check()

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Raise `DemoFailed` where the controller does not answer, with its last words if dead."""
        try:
            yield
        except aiohttp.ClientError as error:
            await asyncio.sleep(_NEWS_S)
            self._check()
            raise DemoFailed(f"the controller does not answer: {error}") from error


def check_installed() -> None:
    """Raise `DemoFailed` if the profiler is missing: it is an extra."""
    if find_spec("pyroscope") is None:
        raise DemoFailed(
            "the demo profiles with pyroscope-io, which is not installed here: "
            "pip install 'upshift[demo]', or `make demo` in a clone"
        )


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="upshift-demo-")))
        config = folder / "upshift.yaml"
        config.write_text(RULES)
        controller = await stack.enter_async_context(_controller(folder, config))
        up = await _up(controller)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        built = Stage(session, config, up["url"], up["redis_for_agents"])
        built.children.append(controller)
        receiver_url = await stack.enter_async_context(listening(built.receiver))

        async def embed(name: str, service: str, *role: str, hear: Callable[[str], None]) -> None:
            command = [sys.executable, "-m", f"{__package__}.worker", *role]
            running = child(
                name,
                command,
                folder,
                hear=hear,
                UPSHIFT_REDIS_URL=built.redis_url,
                OTEL_SERVICE_NAME=service,
                OTEL_RESOURCE_ATTRIBUTES=f"service.instance.id={name}",
            )
            built.children.append(await stack.enter_async_context(running))

        for name, worker in built.workers.items():
            await embed(
                name, SERVICE, "busy", receiver_url, str(UPLOAD_S), hear=worker.busy_time.add
            )
        await embed("probe-1", latency.SERVICE, "probe", hear=built.calls.hear)
        yield built


@asynccontextmanager
async def _controller(folder: Path, config: Path) -> AsyncIterator[Child]:
    command = [sys.executable, "-m", "upshift_controller", "serve", f"--config={config}"]
    controller: Child | None = None
    try:
        async with child("serve", [*command, "--listen=127.0.0.1:0"], folder) as controller:
            guard = [
                sys.executable,
                "-m",
                f"{__package__}.cleanup",
                str(controller.pid),
                str(folder),
            ]
            async with child("guard", guard, folder):
                yield controller
    finally:
        # A controller that was killed could not see to its Valkey, which outlives it by design.
        if controller is not None and controller.ended != 0:
            await end_orphan(folder / Settings().data)


async def _up(controller: Child) -> dict[str, str]:
    """What the controller logs once it serves."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        controller.check()
        for line in controller.log.read_text().splitlines():
            if '"upshift is up"' in line:
                return dict(json.loads(line))
        await asyncio.sleep(0.02)
    raise DemoFailed(f"the controller did not start; {controller.last_words()}")
