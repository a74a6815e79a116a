"""Who lives, as of the last look. No alert waits for one, but for the very first.

It may be wrong for as long: an agent that was the last to report its namespace may have ended.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from upshift_agent.contract import FLEET
from upshift_rules.leases.agents import Agent, Living, profilers
from upshift_rules.matching import SCOPED

from ..ports import Reports

#: From one look to the next, unless nobody was found: a fleet may start just now. Longer where a
#: look takes long, so that it takes one part in so many of the controller's time. (10,000 agents
#: take 0.1 s.)
EVERY_S = 10.0
ONE_PART_IN = 100


class Census:
    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._live: dict[str, Living] | None = None
        self._until = 0.0

    async def look(self) -> None:
        """Count, unless that was done of late. Raise `Unavailable`."""
        began = time.monotonic()
        if began < self._until:
            return
        live = await self._reports.live()
        took = time.monotonic() - began
        self._live = dict(live)
        self._until = began + max(EVERY_S if self._count() else 0, ONE_PART_IN * took)

    def learn(self, target: str, agents: Sequence[Agent]) -> None:
        """These live there now, as somebody has read who asked for one target. Nobody is no news: a
        service that starts just now would be put off until the next look."""
        if self._live is not None and agents:
            self._live[target] = Living(
                profilers(agents),
                frozenset().union(*(it.attributes.keys() & SCOPED.keys() for it in agents)),
                frozenset().union(*(it.profiles for it in agents)),
            )

    async def total(self) -> int:
        """Return how many profilers the whole fleet has. Raise `Unavailable` where nobody has
        counted."""
        if not self._count():
            await self.look()
        return self._count()

    def _count(self) -> int:
        return self.living(FLEET).profilers

    def known(self, target: str) -> int | None:
        """Return how many profilers a target's agents drive. None: nobody has counted."""
        if self._live is None:
            return None
        return self.living(target).profilers

    def living(self, target: str) -> Living:
        """Return who lives there, as far as is known."""
        return (self._live or {}).get(target, Living())
