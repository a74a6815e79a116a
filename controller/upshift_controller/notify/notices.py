"""What others are told: the notices of a commit. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from upshift_agent.contract import ALL, FLEET, Lease
from upshift_rules.leases.changes import Entry, Event

from ..leasing.committer import Committed
from ..sections.notify import Topic

_ENDED = frozenset({"expired", "reverted", "released"})


@dataclass(frozen=True, slots=True)
class Notice:
    """One line of history, for others.

    id: the same whenever it is told again. at_ms: when it was so, in Redis ms; an end no later than
    the lease said.
    """

    id: str
    topic: Topic
    event: Event
    at_ms: int
    target: str
    lease: Lease
    reason: str
    by: str | None = None
    limit: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.event in _ENDED


def notices_of(done: Committed) -> Iterator[Notice]:
    """Return what is to be told of a commit; renewals are not."""
    target = done.state.target
    for number, entry in enumerate(done.entries):
        topic = _topic(target, entry)
        if entry.lease is None or topic is None:
            continue
        at_ms = done.now_ms
        if entry.event in _ENDED:
            at_ms = min(at_ms, entry.lease.expires_at_ms)
        yield Notice(
            id=f"{target}/{done.state.rev}/{number}",
            topic=topic,
            event=entry.event,
            at_ms=at_ms,
            target=target,
            lease=entry.lease,
            reason=entry.reason,
            by=entry.by,
            limit=entry.limit,
        )


def _topic(target: str, entry: Entry) -> Topic | None:
    lease = entry.lease
    if lease is None or not (entry.event in _ENDED or entry.event in ("granted", "refused")):
        return None
    if entry.event == "refused":
        return "refused"
    if lease.kind == "boost":
        return "boost"
    stops = lease.kind == "cap" and lease.hz == 0 and lease.profile == ALL and not lease.where
    return "kill_switch" if stops and target == FLEET else None
