"""Grants made without asking the budget first, where it has room enough, and booked right after.

To reserve takes three round trips before a commit. While no more than half of the default limit is
in use, whatever is granted at once by two controllers is within it, so there a controller grants
first and books then. Limits that the user has set are never passed, not even for a moment, so with
them everything is reserved before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from upshift_agent.contract import FLEET, Lease
from upshift_rules.leases.changes import Change, Override, Scheduled
from upshift_rules.leases.limits import Ledger, boosted_of
from upshift_rules.model import Claim

from .census import Census


class Note(NamedTuple):
    """What has become of a lease and is not booked yet. lease: None where it has ended."""

    target: str
    lease: Lease | None


class Headroom:
    """How much of the default limit is free, by what this controller knows.

    It knows more than is there of others' ends and its own repeats, and less of what others have
    granted since it looked last.
    """

    def __init__(self, census: Census) -> None:
        self._census = census
        self._used: Mapping[str, int] | None = None  # of the budget when it was last seen
        self.notes: dict[str, Note] = {}
        self.noted = asyncio.Event()
        self.noted.set()  # the first look is due

    def note(self, target: str, lease: Lease) -> None:
        """A lease is being granted, or renewed."""
        self.notes[lease.id] = Note(target, lease)
        self.noted.set()

    def ended(self, target: str, lease: str) -> None:
        """A lease has ended early, or was never granted: its commit was lost."""
        self.notes[lease] = Note(target, None)
        self.noted.set()

    def booked(self, notes: Mapping[str, Note], ledger: Ledger) -> None:
        """These notes stand in the budget, which is `ledger`."""
        self._used = ledger.by_target()
        for lease, note in notes.items():
            if self.notes.get(lease) is note:
                del self.notes[lease]

    def covers(self, wanted: Iterable[tuple[str, Iterable[Change]]]) -> bool:
        """Whether half of the limit has room for all that these changes could grant."""
        total = self._census.known(FLEET)
        if self._used is None or total is None:
            return False
        raised = {target for target, changes in wanted if any(map(_may_raise, changes))}
        if not raised:
            return True
        raised.update(it.target for it in self.notes.values() if it.lease is not None)
        used = sum(self._used.values())
        for target in raised:
            used += max(0, (self._census.known(target) or 1) - self._used.get(target, 0))
        return used <= boosted_of(total) // 2


def _may_raise(change: Change) -> bool:
    if isinstance(change, Claim):
        return change.trigger.status == "firing"
    return isinstance(change, Override | Scheduled) and change.kind != "cap"
