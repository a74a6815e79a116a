"""The one place where a frequency is decided: plans, attributes and a moment → a decision, for one
profile at a time.

Pure: it is handed `now_ms` and never asks for it. The controller calls the same function to say
what an agent should be doing; `agents-sdk/contract` tells it in words, and its `vectors.json` holds
SDKs in other languages to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from . import (
    ALL,
    CPU,
    ENVIRONMENT,
    FLEET,
    INSTANCE_ATTRIBUTES,
    Baseline,
    Lease,
    Plan,
    Where,
    applies,
    canonical,
    shown,
)

#: 9999-12-31T23:59:59.999Z, the last millisecond that a datetime can hold.
_LAST_MS = 253_402_300_799_999


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an agent does now, of one profile.

    hz: the frequency, in Hz (of `heap`, snapshots an hour); 0 means that the profiler stands still.
    because: whose doing it is: the deciding lease's own `because`, or `{"baseline": NAME}`.
    reason: the same in one line for people; log, history, API and CLI carry it unchanged.
    lease: the lease that decided, None for the baseline.
    until_ms: when the answer changes next, in Redis milliseconds; None for "not by itself".
    clamped_from: what it would be without the agent's own `max_hz`, where that binds.
    previous_hz: what the driver applied last; None before the first time.
    """

    hz: int
    because: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    lease: Lease | None = None
    until_ms: int | None = None
    clamped_from: int | None = None
    previous_hz: int | None = None

    @property
    def until(self) -> datetime | None:
        """`until_ms` as a moment in UTC; one past the year 9999 is the last that there is."""
        if self.until_ms is None:
            return None
        return datetime.fromtimestamp(min(self.until_ms, _LAST_MS) / 1000, UTC)


def resolve(
    plans: Iterable[Plan],
    attributes: Mapping[str, str],
    baseline: Baseline,
    local_max: int | None,
    now_ms: int,
    profile: str = CPU,
) -> Decision:
    """Decide the frequency of one profile of one agent.

    plans: the newest plan of each target that the agent follows, in any order.
    attributes: its OpenTelemetry Resource attributes.
    baseline: its own, in force until the fleet's plan brings one.
    local_max: its `max_hz`, None for none.
    now_ms: Redis time in milliseconds. A lease is live until its last millisecond has passed.
    """
    attributes = canonical(attributes)
    claims: list[tuple[int, Lease]] = []
    for plan in plans:
        if plan.target == FLEET and plan.baseline is not None:
            baseline = plan.baseline
        claims += [
            (_width(plan.target, lease.where), lease)
            for lease in plan.leases
            if lease.profile in (profile, ALL)
            and now_ms < lease.expires_at_ms
            and applies(lease, attributes)
        ]
    base_hz, named = baseline.of(attributes.get(ENVIRONMENT, ""), profile)
    ranked = _ranked(claims)
    lease = ranked.decisive(base_hz)
    if lease is not None:
        hz, because, reason = lease.hz, lease.cause.said, lease.reason
    else:
        hz, because, reason = base_hz, {"baseline": named}, f"baseline ({named})"
    clamped_from = None
    if local_max is not None and hz > local_max:
        hz, clamped_from = local_max, hz
        reason += f"; held to this agent's max_hz, asked for {shown(profile, clamped_from)}"
    return Decision(
        hz=hz,
        because=because,
        reason=reason,
        lease=lease,
        until_ms=ranked.until_ms(base_hz),
        clamped_from=clamped_from,
    )


def _width(target: str, where: Where) -> int:
    """How narrow a claim is: 2 for an instance, 1 for a service or node, 0 for the fleet."""
    if not INSTANCE_ATTRIBUTES.isdisjoint(where):
        return 2
    return 0 if target == FLEET else 1


@dataclass(slots=True)
class _Ranked:
    """Live leases by kind, the one that counts last."""

    boosts: list[Lease]
    pins: list[Lease]
    caps: list[Lease]

    def decisive(self, base_hz: int) -> Lease | None:
        """The lease that decides; None for the baseline."""
        lease = self.boosts[-1] if self.boosts and self.boosts[-1].hz > base_hz else None
        if self.pins:
            lease = self.pins[-1]
        if self.caps and self.caps[-1].hz < (lease.hz if lease else base_hz):
            lease = self.caps[-1]
        return lease

    def until_ms(self, base_hz: int) -> int | None:
        """The first expiry at which another lease decides; the others are nobody's business. Uses
        up what it looks at."""
        decides = self.decisive(base_hz)
        kinds = (self.boosts, self.pins, self.caps)
        while counting := [leases[-1] for leases in kinds if leases]:
            moment = min(lease.expires_at_ms for lease in counting)
            for leases in kinds:
                while leases and leases[-1].expires_at_ms <= moment:
                    leases.pop()
            if self.decisive(base_hz) != decides:
                return moment
        return None


def _ranked(claims: Sequence[tuple[int, Lease]]) -> _Ranked:
    if not claims:  # nearly everywhere, nearly always
        return _Ranked([], [], [])
    # Every tie is broken by the id at last, so the order of delivery cannot matter.
    boosts = [lease for _, lease in claims if lease.kind == "boost"]
    pins = [claim for claim in claims if claim[1].kind == "pin"]
    caps = [lease for _, lease in claims if lease.kind == "cap"]
    boosts.sort(key=lambda lease: (lease.hz, lease.expires_at_ms, lease.id))
    pins.sort(key=lambda claim: (claim[0], claim[1].since_ms, claim[1].id))
    caps.sort(key=lambda lease: (lease.hz, -lease.expires_at_ms, lease.id), reverse=True)
    return _Ranked(boosts, [lease for _, lease in pins], caps)
