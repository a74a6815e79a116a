"""From the alert's POST to the call of the driver, in another process, over and over.

Each round posts an alert that fires and one that it is resolved; the rule is `on_resolved: revert`,
so each firing one raises the frequency anew. The clock starts before the POST is sent, so
connection, HTTP and JSON count, too: a little more than what is claimed, "receipt to driver".
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .alertmanager import Alert
from .errors import DemoFailed

ROUNDS = 60
WARM_UP = 5  # rounds that are not counted: connections are made, code is loaded
ALERT, SERVICE, HZ = "ProbeLatency", "probe", 100
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds, of each round."""

    ms: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.ms)

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.ms, n=100, method="inclusive")[percent - 1]


class Calls:
    """When the probe's driver was called: what the probe prints."""

    def __init__(self) -> None:
        self._calls: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    def hear(self, line: str) -> None:
        at_ns, hz = map(int, line.split())
        self._calls.put_nowait((at_ns, hz))

    async def next(self, wanted: Callable[[int], bool]) -> int:
        """The moment of the next call with a frequency that is wanted."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while True:
                    at_ns, hz = await self._calls.get()
                    if wanted(hz):
                        return at_ns
        except TimeoutError:
            raise DemoFailed(f"the probe's driver was not called for {_PATIENCE_S:.0f} s") from None


async def measure(
    calls: Calls, post: Callable[[Alert], Coroutine[Any, Any, object]], rounds: int = ROUNDS
) -> Latency:
    labels = {"alertname": ALERT, "service_name": SERVICE}
    took: list[float] = []
    for number in range(WARM_UP + rounds):
        starts_at = datetime.now(UTC)
        sent_ns = time.monotonic_ns()
        await post(Alert(labels, starts_at))
        called_ns = await calls.next(lambda hz: hz == HZ)
        if number >= WARM_UP:
            took.append((called_ns - sent_ns) / 1e6)
        await post(Alert(labels, starts_at, ends_at=datetime.now(UTC)))
        await calls.next(lambda hz: hz != HZ)
    return Latency(tuple(took))
