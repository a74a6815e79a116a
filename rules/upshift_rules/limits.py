"""How much may be raised, at once and in an hour: limits, what is used of them, and the answer.

Pure. The budget is one document of the whole fleet. What is in it ends by itself, like the leases
it stands for, so whatever is forgotten there frees itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace

from upshift_agent.wire import MAX_HZ, Lease

from .durations import format_duration
from .model import Refusal

HOUR_MS = 60 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`max_frequency_hz` in Hz; agents of the whole fleet; boosts by each rule. None: no limit."""

    max_frequency_hz: int = MAX_HZ
    max_boosted_agents: int | None = None
    max_boosts_per_hour: int | None = None

    @property
    def counted(self) -> bool:
        """Whether a budget has to be kept."""
        return self.max_boosted_agents is not None or self.max_boosts_per_hour is not None

    def too_fast(self, lease: Lease) -> Refusal | None:
        most = self.max_frequency_hz
        if lease.kind == "cap" or lease.hz <= most:
            return None
        reason = f"limits.max_frequency is {most} Hz, and this {lease.kind} asks for {lease.hz} Hz"
        return Refusal("max_frequency", most, lease.hz, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A lease's part of the budget. Times in Redis milliseconds.

    agents: how many it raises, of how many (`known`) that its target had; counted at the grant.
    rule: whose boost it is; None for an engineer's.
    """

    target: str
    rule: str | None
    agents: int
    known: int
    since_ms: int
    expires_at_ms: int


Budget = Mapping[str, Reservation]


@dataclass(slots=True)
class _Use:
    """Of one target: the reservations that are live."""

    live: dict[str, Reservation] = field(default_factory=dict)

    @property
    def agents(self) -> int:
        """No more than there are, however many boosts reach them."""
        rows = self.live.values()
        return min(sum(it.agents for it in rows), max((it.known for it in rows), default=0))


class Ledger:
    """Mutable copy of a budget, with running totals. Lives inside one decision."""

    def __init__(self, budget: Budget, limits: Limits, now_ms: int) -> None:
        self.limits = limits
        self.now_ms = now_ms
        self.boosted_agents = 0
        self.changed = False
        self._held: dict[str, Reservation] = {}
        self._targets: dict[str, _Use] = {}
        self._grants: dict[str, dict[str, int]] = {}  # rule → lease → since, in the last hour
        for lease, reservation in budget.items():
            self._put(lease, reservation)

    def take(self, lease: str, wanted: Reservation) -> Refusal | None:
        """Reserve, or say which limit forbids it. To take what one has again is free."""
        held = self._held.get(lease)
        if held is not None and held.expires_at_ms > self.now_ms:
            self.keep(lease, wanted)
            return None
        refusal = self._too_often(wanted) or self._too_many(lease, wanted)
        if refusal is None:
            self.keep(lease, wanted)
        return refusal

    def keep(self, lease: str, wanted: Reservation) -> None:
        """A lease that was granted before has its place, and runs on to its new end."""
        held = self._held.get(lease, wanted)
        end_ms = max(held.expires_at_ms, wanted.expires_at_ms)
        self._change(lease, replace(held, expires_at_ms=end_ms))

    def end(self, lease: str) -> None:
        """It raises nobody any more, but it was one of this hour's boosts."""
        held = self._held.get(lease)
        if held is not None and held.expires_at_ms > self.now_ms:
            self._change(lease, replace(held, expires_at_ms=self.now_ms))

    def drop(self, lease: str) -> None:
        """It was never granted."""
        if lease in self._held:
            self._change(lease, None)

    def finish(self) -> Budget:
        return self._held

    def _too_often(self, wanted: Reservation) -> Refusal | None:
        most, rule = self.limits.max_boosts_per_hour, wanted.rule
        if most is None or rule is None:
            return None
        grants = self._grants.get(rule, {})
        if len(grants) < most:
            return None
        # The next is due when so many have grown old that one more fits.
        frees_ms = sorted(grants.values())[len(grants) - most] + HOUR_MS
        reason = (
            f"limits.max_boosts_per_hour is {most}, and {rule} has granted {len(grants)}; "
            f"the next is possible in {format_duration(frees_ms - self.now_ms)}"
        )
        return Refusal("max_boosts_per_hour", most, len(grants), reason)

    def _too_many(self, lease: str, wanted: Reservation) -> Refusal | None:
        most, used = self.limits.max_boosted_agents, self.boosted_agents
        if most is None:
            return None
        live = self._targets.get(wanted.target, _Use()).live
        more = _Use({**live, lease: wanted}).agents - _Use(live).agents
        if not more or used + more <= most:
            return None
        reason = (
            f"limits.max_boosted_agents is {most}; {used} are boosted, "
            f"and this would boost {more} more"
        )
        return Refusal("max_boosted_agents", most, used, reason)

    def _change(self, lease: str, reservation: Reservation | None) -> None:
        if self._held.get(lease) != reservation:
            self.changed = True
            self._put(lease, reservation)

    def _put(self, lease: str, reservation: Reservation | None) -> None:
        """Replace what `lease` holds, and keep the totals."""
        before = self._held.pop(lease, None)
        if before is not None:
            self._count(lease, before, present=False)
        if reservation is not None and self._matters(reservation):
            self._held[lease] = reservation
            self._count(lease, reservation, present=True)

    def _matters(self, it: Reservation) -> bool:
        return it.expires_at_ms > self.now_ms or self._is_recent(it)

    def _is_recent(self, it: Reservation) -> bool:
        return it.rule is not None and it.since_ms > self.now_ms - HOUR_MS

    def _count(self, lease: str, it: Reservation, *, present: bool) -> None:
        if it.rule is not None and self._is_recent(it):
            grants = self._grants.setdefault(it.rule, {})
            if present:
                grants[lease] = it.since_ms
            else:
                del grants[lease]
        if it.expires_at_ms > self.now_ms:
            use = self._targets.setdefault(it.target, _Use())
            self.boosted_agents -= use.agents
            if present:
                use.live[lease] = it
            else:
                del use.live[lease]
            self.boosted_agents += use.agents


def ends_ms(budget: Budget) -> int:
    """When nothing of it matters any more."""
    return max((max(it.expires_at_ms, it.since_ms + HOUR_MS) for it in budget.values()), default=0)


def budget_json(budget: Budget) -> dict[str, list[object]]:
    return {lease: list(astuple(it)) for lease, it in budget.items()}


def budget_of(document: Mapping[str, list[object]]) -> Budget:
    """Raise `TypeError`, `ValueError` or `AttributeError` for what `budget_json` never wrote."""
    names = Reservation.__slots__
    return {
        lease: Reservation(**dict(zip(names, row, strict=True)))  # type: ignore[arg-type]
        for lease, row in document.items()
    }
