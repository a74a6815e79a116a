"""What is used of the fleet's budget: a reservation for each lease that raises. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

HOUR_MS = 60 * 60 * 1000
#: Profilers of several agents that a reservation names; a name takes 15 bytes of each budget read.
MAX_SHARED = 300


class Reservation(NamedTuple):
    """A lease's part of the budget; a tuple, because there may be thousands. Times in Redis ms.

    agents: how many it raises, of how many (`known`) that its target had; counted at the grant.
    rule: whose boost it is; None for an operator's. meant: how many agents its filter (as
    `draft.filter_key` has it) means, whatever they rest at or can raise; 0: all that are known.
    shared: of those that it raises, the profilers that other targets' agents drive as well.
    """

    target: str
    rule: str | None
    agents: int
    known: int
    since_ms: int
    expires_at_ms: int
    meant: int = 0
    filter: str = ""
    shared: tuple[str, ...] = ()


Budget = Mapping[str, Reservation]


@dataclass(slots=True)
class Use:
    """The live reservations of one target, and how many agents they raise, of which `shared` may
    be raised by those of other targets too."""

    live: dict[str, Reservation] = field(default_factory=dict)
    agents: int = 0
    shared: frozenset[str] = frozenset()

    def count(self) -> None:
        self.shared = frozenset().union(*(it.shared for it in self.live.values()))
        self.agents = max(raised(self.live.values()), len(self.shared))


def raised(live: Collection[Reservation]) -> int:
    """How many agents reservations of one target raise: no more than there are, nor of those that
    one filter means than it does, however many boosts reach them, for whatever profiles."""
    if len(live) < 2:  # as nearly always
        return sum(min(it.agents, it.meant or it.known, it.known) for it in live)
    asked: defaultdict[str, int] = defaultdict(int)
    meant: defaultdict[str, int] = defaultdict(int)
    for it in live:
        asked[it.filter] += it.agents
        meant[it.filter] = max(meant[it.filter], it.meant or it.known)
    known = max(it.known for it in live)
    return min(sum(min(asked[it], meant[it]) for it in asked), known)


def ends_ms(budget: Budget) -> int:
    """Return when nothing of a budget matters any more, in Redis ms."""
    return max((max(it.expires_at_ms, it.since_ms + HOUR_MS) for it in budget.values()), default=0)
