"""Tells all destinations of what was committed here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from ..leasing.committer import Committed
from ..runtime.supervised import end
from ..sections.notify import Destination
from .delivery import Delivery, Outcome, Sender
from .grafana import Grafana
from .notices import notices_of
from .webhook import Webhook

#: What waits when a controller ends has so long.
LAST_S = 1.0


class Notifier:
    """destinations: returns those in force. counted: is told a destination and an outcome."""

    def __init__(
        self,
        destinations: Callable[[], Sequence[Destination]],
        counted: Callable[[str, Outcome], object],
    ) -> None:
        self._destinations = destinations
        self._counted = counted
        self._changed = asyncio.Event()
        self._deliveries: dict[str, Delivery] = {}
        self.reloaded()

    def committed(self, done: Committed) -> None:
        """Take note of a commit. This waits for nothing."""
        if self._deliveries:
            for notice in notices_of(done):
                for delivery in self._deliveries.values():
                    delivery.put(notice)

    def reloaded(self) -> None:
        """Put the destinations in force. What waits for one whose name stays goes on waiting."""
        former = self._deliveries
        self._deliveries = {it.name: self._delivery(it) for it in self._destinations()}
        for name, delivery in self._deliveries.items():
            if name in former:
                delivery.waiting.extend(former[name].waiting)
        self._changed.set()

    async def run(self) -> None:
        """Deliver, for ever."""
        while True:
            self._changed.clear()
            tasks = [
                asyncio.create_task(it.run(), name=f"notices to {name}")
                for name, it in self._deliveries.items()
            ]
            changed = asyncio.create_task(self._until_changed(), name="destinations")
            try:
                done, _ = await asyncio.wait([*tasks, changed], return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # a delivery ends with a defect only
            finally:
                for task in (*tasks, changed):
                    await end(task)

    async def drain(self) -> None:
        """Wait until nothing waits any more, for a moment at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_S):
                await asyncio.gather(*(it.told_all() for it in self._deliveries.values()))

    async def _until_changed(self) -> None:
        await self._changed.wait()

    def _delivery(self, destination: Destination) -> Delivery:
        sender: Sender = (
            Grafana(destination) if destination.shape == "grafana" else Webhook(destination)
        )
        name = destination.name
        return Delivery(destination, sender, lambda outcome: self._counted(name, outcome))
