"""What leasing needs of a store, and the values that pass between the two. No I/O here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from upshift_agent.contract import Status
from upshift_rules.guards.answer import Answer
from upshift_rules.leases.agents import Living
from upshift_rules.leases.changes import Entry
from upshift_rules.leases.limiting.reservations import Budget
from upshift_rules.leases.state import TargetState

#: Targets that are changed, or triggers that are let in, in one go; the next follow at once.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Snapshot:
    """States together with Redis time, in µs. certain: whether they were read, not guessed."""

    now_us: int
    states: Mapping[str, TargetState]
    certain: bool = True

    @property
    def now_ms(self) -> int:
        return self.now_us // 1000


NOTHING = Snapshot(0, {})


@dataclass(frozen=True, slots=True)
class Write:
    """A state to be committed in place of the one it was made from, at `now_us`, Redis time.

    alone: only if no agent reports under its target, which is what it was decided for. Else it is
    as if another state had been met, only that it is the same.
    """

    before: TargetState
    after: TargetState
    entries: Sequence[Entry]
    now_us: int
    alone: bool = False

    @property
    def now_ms(self) -> int:
        return self.now_us // 1000


class States(Protocol):
    """Where the states are. Every method raises `Unavailable` when they are out of reach."""

    async def read(self, targets: Iterable[str]) -> Snapshot:
        """Return states and time, in one round trip. A target not stored has an empty state."""

    def recall(self, targets: Iterable[str]) -> Snapshot | None:
        """Return states and time as they probably are, without a round trip; None: call `read`."""

    def unknown(self, targets: Iterable[str]) -> list[str]:
        """Return those of `targets` of which nothing is remembered here. No round trip."""

    async def strangers(self, targets: Sequence[str]) -> list[str]:
        """Return those of `targets` that have no state and no agents. One round trip."""

    async def commit(self, writes: Sequence[Write], unchanged: Snapshot = NOTHING) -> Snapshot:
        """Commit `writes`, and compare `unchanged` with what is stored. One round trip.

        Returns the stored state of every target whose revision did not match.
        """

    async def probe(self) -> None:
        """Do all that a commit does, on keys of its own. One round trip."""

    async def due(self, limit: int) -> tuple[int, list[str], int | None]:
        """Return Redis time, at most `limit` targets that are due, and the next expiry; in ms."""

    async def settle(self, targets: Sequence[str]) -> None:
        """Move targets that were due on to their next expiry."""

    async def leased_targets(self) -> list[str]:
        """Return the targets that have leases."""

    async def signed_otherwise(self) -> list[str]:
        """Return the targets whose state another secret has signed than the one that signs now."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The budget as it was read; `version` is for `replace`."""

    budget: Budget
    version: str


class Budgets(Protocol):
    """Where the budget is. Every method raises `Unavailable` when it is out of reach."""

    async def read(self) -> Stored:
        """Return the budget; an empty one when none is stored. One round trip."""

    async def replace(self, before: Stored, budget: Budget, now_ms: int) -> bool:
        """Store `budget` unless another controller was faster; return whether. One round trip."""


class Questions(Protocol):
    """Who answers the guards of rules: Prometheus."""

    @property
    def is_set(self) -> bool:
        """Whether there is somebody to ask."""

    async def ask(
        self, queries: Iterable[str], *, within_s: float, few: bool = False
    ) -> Mapping[str, Answer]:
        """Return the answer to each query. What has not come within so many seconds is unknown.

        few: ask as few questions as possible, rather than soon.
        """


class Reports(Protocol):
    """What agents say of themselves. Every method raises `Unavailable` as above."""

    async def known_targets(self) -> list[str]:
        """Return every target that was changed, or whose agents report."""

    async def statuses(self, targets: Sequence[str]) -> Mapping[str, Sequence[Status]]:
        """Return the last report of each agent of these targets."""

    async def live(self) -> Mapping[str, Living]:
        """Return who lives, by each target that they follow: what they report under, their node,
        and the fleet. A few round trips, and time to read them."""
