"""All that the controller knows of one target: one document, committed whole or not at all.

What belongs here: the shape of that document. Its JSON is in `stored`, how it changes in
`transition`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from upshift_agent.contract import Baseline, Lease, Plan


class Episode(NamedTuple):
    """One firing of one trigger: see `boosts`, which owns what it means.

    began_ms: the newest `startsAt` heard of it, by the sender's clock.
    until_ms: it has fired until then at least: when that was heard, within `HEARD_EVERY_MS`; of one
    that has resolved, when it did, by the sender's clock.
    ended: why it has no claim on a boost any more.
    """

    began_ms: int
    until_ms: int
    ended: str | None = None


class Episodes(dict[str, Episode]):
    """Episodes by the identity of their trigger. span: kept by `memory`, once all are there."""

    __slots__ = ("span",)

    def __init__(self, *episodes: Mapping[str, Episode]) -> None:
        super().__init__(*episodes)
        self.span: tuple[int, int] | None = None


#: absent: it is listed no more. That proves little, so one that is listed again goes on.
RESOLVED, RELEASED, ABSENT, STOPPED = "resolved", "released", "absent", "stopped by stop_if"


class Forgotten(NamedTuple):
    """What is known of alerts that are too many to be remembered one by one.

    until_ms: the latest that one of them was known to fire. heard_ms: when one of them was heard,
    or forgotten.
    """

    until_ms: int = 0
    heard_ms: int = 0

    def may_hold(self, starts_at_ms: int, newest_ms: int) -> bool:
        """Whether an alert that began then may be one of them; what is after `newest_ms` is not."""
        return self.heard_ms > 0 and starts_at_ms <= min(self.until_ms, newest_ms)


NOBODY = Forgotten()


class Left(NamedTuple):
    """What is left of a boost whose last alert has resolved: since when it ran, and until when it
    would have. For an alert that was only absent."""

    started_ms: int = 0
    until_ms: int = 0


NOTHING_LEFT = Left()


@dataclass(frozen=True, slots=True)
class NotedRefusal:
    """A refusal that the history has an entry of, so that repeats add no other.

    identity: the refused trigger's. limit: which one refused. at_ms: when, in Redis ms.
    """

    identity: str
    limit: str
    at_ms: int


class Case(NamedTuple):
    """What is remembered of one rule in one scope (see `draft.scope_key`).

    lease: its last boost. started_ms: when that one started, however often it was renewed or taken
    up again; 0 when it is over. cooling_ms: no boost for a new episode before.
    episodes: by the identity of the trigger; the newest one of each.
    """

    lease: str = ""
    started_ms: int = 0
    cooling_ms: int = 0
    episodes: dict[str, Episode] = {}  # noqa: RUF012  # never changed in place: see `Draft.remember`
    forgotten: Forgotten = NOBODY
    refusal: NotedRefusal | None = None
    left: Left = NOTHING_LEFT


class Configured(NamedTuple):
    """Since when a configuration's baseline is in force, and when its controller last said so.

    Both in Redis ms.
    """

    since_ms: int = 0
    seen_ms: int = 0


UNSAID = Configured()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """All that is known of one target. Times in Redis milliseconds.

    rev: this document's revision; plan_rev: that of the plan published last; plan_after: that of
    the plan published before that one.
    forgotten: alerts of cases that are not remembered themselves.
    configured: since when `baseline` is in force.
    stops: by the lease, the `stop_if` of those that have one, filled in.
    """

    target: str
    rev: int = 0
    plan_rev: int = 0
    plan_after: int = 0
    leases: tuple[Lease, ...] = ()
    cases: Mapping[str, Case] = field(default_factory=dict)
    forgotten: Forgotten = NOBODY
    baseline: Baseline | None = None
    configured: Configured = UNSAID
    stops: Mapping[str, str] = field(default_factory=dict)

    @property
    def next_expiry_ms(self) -> int | None:
        return min((lease.expires_at_ms for lease in self.leases), default=None)


def plan_of(state: TargetState, now_ms: int) -> Plan:
    """Return the plan of a state: what agents get to see of it."""
    return Plan(
        target=state.target,
        rev=state.plan_rev,
        after=state.plan_after,
        now_ms=now_ms,
        leases=state.leases,
        baseline=state.baseline,
    )


def state_of(plan: Plan) -> TargetState:
    """Return a state made of its plan, for one that is lost: at revision 0, to be written anew."""
    return TargetState(
        target=plan.target, plan_rev=plan.rev, leases=plan.leases, baseline=plan.baseline
    )
