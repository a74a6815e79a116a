"""The fleet's budget as this controller writes it, and what goes into it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import structlog

from upshift_agent.contract import FLEET, Baseline, Lease
from upshift_rules.leases.agents import Agent
from upshift_rules.leases.limiting.reach import followers, is_shared, live_agents
from upshift_rules.leases.limiting.reservations import Reservation
from upshift_rules.leases.limiting.reserving import part
from upshift_rules.leases.limits import Ledger, Limits

from ...errors import Unavailable
from ..ports import Budgets, Reports
from .census import Census
from .headroom import Headroom, Note

log = structlog.get_logger()

#: Each attempt lost means that another controller has made progress.
MAX_ATTEMPTS = 100
#: How often the budget is looked at, for what other controllers have granted.
LOOK_S = 5.0
#: From a grant to its reservation, where that was put off: the answer goes first, and a burst is
#: one entry.
BOOK_AFTER_S = 0.05

Agents = Sequence[Agent]


class Books:
    """baseline, limits: return those in force."""

    def __init__(
        self,
        budgets: Budgets,
        reports: Reports,
        *,
        baseline: Callable[[], Baseline],
        limits: Callable[[], Limits],
    ) -> None:
        self._budgets = budgets
        self._reports = reports
        self._baseline = baseline
        self.limits = limits
        self.census = Census(reports)
        self.headroom = Headroom(self.census)
        self._seen = (0, 0.0)  # Redis time in ms, and this machine's in s

    def saw(self, now_ms: int) -> None:
        """It is `now_ms` in Redis."""
        self._seen = now_ms, time.monotonic()

    async def reserved(self, now_ms: int) -> tuple[int, int] | None:
        """Return how many agents are reserved of `max_boosted_agents`, and that; None: no limit."""
        limits = await self._now()
        most = limits.max_boosted_agents
        if most is None:
            return None
        stored = await self._budgets.read()
        return Ledger(stored.budget, limits, now_ms).boosted_agents, most

    async def keep(self) -> None:
        """Reserve what was granted without, and look at who lives, for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self.headroom.noted.wait()
                    await asyncio.sleep(BOOK_AFTER_S)
            self.headroom.noted.clear()
            try:
                await self.census.look()
                if self.limits().by_share and self._seen[0]:
                    await self.enter(None, self._now_ms())
            except Unavailable as error:
                log.warning("what is boosted is counted later", problem=error.detail)

    async def aclose(self) -> None:
        """Reserve what is left to reserve. Without Redis, it is not."""
        if self.headroom.notes:
            with suppress(Unavailable):
                await self.enter(None, self._now_ms())

    async def enter(
        self, make: Callable[[Ledger], None] | None, now_ms: int, *, reserve: bool = True
    ) -> None:
        """Make the entries that were put off, then those of `make`, in the budget as it is, however
        often others are faster. `reserve=False`: only work out what that would be."""
        limits = await self._now()
        for _ in range(MAX_ATTEMPTS):
            notes = dict(self.headroom.notes)
            agents = await self.agents({it.target for it in notes.values() if it.lease}, now_ms)
            stored = await self._budgets.read()
            ledger = Ledger(stored.budget, limits, now_ms)
            for lease, note in notes.items():
                self._note(ledger, lease, note, agents)
            if make:
                make(ledger)
            if not reserve:
                return
            if not ledger.changed or await self._budgets.replace(stored, ledger.finish(), now_ms):
                self.headroom.booked(notes, ledger)
                return
        raise Unavailable("other controllers keep changing the budget")

    def _note(self, ledger: Ledger, lease: str, note: Note, agents: Mapping[str, Agents]) -> None:
        if note.lease is None:
            ledger.end(lease)
        elif part := self.part(note.target, note.lease, agents[note.target]):
            ledger.keep(lease, part)

    async def _now(self) -> Limits:
        """The limits in force, with what depends on how many agents live."""
        limits = self.limits()
        return limits.among(await self.census.total()) if limits.by_share else limits

    def _now_ms(self) -> int:
        """Redis time, as far as this controller knows."""
        seen_ms, at = self._seen
        return seen_ms + int((time.monotonic() - at) * 1000)

    def part(self, target: str, lease: Lease, agents: Agents) -> Reservation | None:
        """What `lease` needs of the budget, if anything."""
        anybody = bool(self.census.known(FLEET))
        return part(target, lease, agents, self._baseline(), self.limits(), anybody=anybody)

    async def agents(self, targets: Iterable[str], now_ms: int) -> dict[str, Agents]:
        """The live agents of each target; the fleet's are all, a node's those that are on it."""
        names = dict.fromkeys(targets)
        if not names:
            return {}
        shared = list(filter(is_shared, names))
        everyone = await self._reports.known_targets() if shared else []
        statuses = await self._reports.statuses(list(dict.fromkeys([*names, *everyone])))
        reporting = {it: live_agents(rows, now_ms) for it, rows in statuses.items()}
        found: dict[str, Agents] = {**reporting}
        if shared:
            found |= followers(shared, reporting)
        for target, living in found.items():
            if target in names or not is_shared(target):  # of other nodes not all are here
                self.census.learn(target, living)
        return found
