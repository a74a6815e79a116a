"""How many agents live, as of the last look. No alert waits for one, but for the very first."""

from __future__ import annotations

import time
from collections.abc import Mapping

from upshift_agent.contract import FLEET

from ..ports import Reports

#: From one look to the next; longer where a look takes long, so that it takes one part in so many
#: of the controller's time. (10,000 agents take 0.1 s.)
EVERY_S = 10.0
ONE_PART_IN = 100


class Census:
    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._live: Mapping[str, int] | None = None
        self._total = 0
        self._until = 0.0

    async def look(self) -> None:
        """Count, unless that was done of late. Raise `Unavailable`."""
        began = time.monotonic()
        if began < self._until:
            return
        live = await self._reports.live()
        took = time.monotonic() - began
        self._live, self._total = live, sum(live.values())
        self._until = began + max(EVERY_S, ONE_PART_IN * took)

    async def total(self) -> int:
        """Return how many live in the whole fleet. Raise `Unavailable` where nobody has counted."""
        if self._live is None:
            await self.look()
        return self._total

    def known(self, target: str) -> int | None:
        """Return how many live of a target; the fleet's are all. None: nobody has counted."""
        if self._live is None:
            return None
        return self._total if target == FLEET else self._live.get(target, 0)
