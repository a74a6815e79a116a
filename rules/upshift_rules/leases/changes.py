"""The changes that can be asked of a target's state, and what comes of them. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from upshift_agent.contract import Baseline, Cause, Kind, Lease, Where

from ..model import Claim, Outcome
from .state import TargetState


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """An operator's lease. `id` comes from the edge, because the core has no randomness.

    profile: None where nobody named one: cpu, and of a kill switch every profile.
    stop_if: a boost's guard, filled in; empty is none.
    """

    id: str
    kind: Kind
    hz: int
    duration_ms: int
    where: Where
    cause: Cause
    profile: str | None = None
    stop_if: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A schedule's lease, for its window from `starts_at_ms` to `ends_at_ms`, in Redis ms.

    profile: None as in `Override`.
    """

    schedule: str
    kind: Kind
    hz: int
    starts_at_ms: int
    ends_at_ms: int
    where: Where
    profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """End a lease now, or every lease of the target (`lease=None`)."""

    lease: str | None
    cause: Cause


@dataclass(frozen=True, slots=True)
class Stop:
    """End a boost whose `stop_if` was true. why: the end of a sentence that begins with that."""

    lease: str
    why: str


@dataclass(frozen=True, slots=True)
class SetBaseline:
    """What the fleet's agents do when no lease applies.

    since_ms: since when the configuration that says so is in force, in Redis ms.
    """

    baseline: Baseline
    since_ms: int


@dataclass(frozen=True, slots=True)
class Aim:
    """Aim leases for a share of the agents at those that live now."""


Change = Claim | Override | Scheduled | Release | Stop | SetBaseline | Aim
Event = Literal[
    "granted", "renewed", "moved", "expired", "reverted", "released", "refused", "baseline"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of history: what happened to a lease (or the baseline), and why.

    `limit`: the one that refused the lease.
    """

    event: Event
    reason: str
    lease: Lease | None = None
    baseline: Baseline | None = None
    by: str | None = None
    limit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One outcome a change. `state` is the very object handed in when nothing changed."""

    state: TargetState
    outcomes: tuple[Outcome, ...]
    entries: tuple[Entry, ...]
