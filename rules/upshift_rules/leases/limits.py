"""How much may be raised, at once and in an hour: limits, what is used of them, and the answer.

Pure. The budget is one document of the whole fleet. What is in it ends by itself, like the leases
it stands for, so whatever is forgotten there frees itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from upshift_agent.contract import MAX_HZ, Lease, shown

from ..durations import format_duration
from ..model import UNLESS_SET, Refusal, default_frequency

HOUR_MS = 60 * 60 * 1000
#: Boosts that are counted at the same time. Each grant reads them all: these take a tenth of a
#: second, and nothing else is done meanwhile.
MAX_RESERVATIONS = 20_000

#: Unless the user sets another limit, one agent in so many may be boosted, and so many anyway.
SHARE = 3
LEAST = 10

#: A target takes some 5 KB of Redis for a day.
MAX_NEW_TARGETS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may be raised: Hz (of each profile in its own unit), agents of the whole fleet whatever
    is raised of them, boosts by each rule. None: no limit.

    max_new_targets: of which nothing was known, by the alerts of one token, at once and in an hour.
    by_share: `max_boosted_agents` follows from how many agents live (`among`): one in `SHARE`, and
    `LEAST` at least.
    """

    max_frequency_hz: int = MAX_HZ
    max_boosted_agents: int | None = None
    by_share: bool = False
    max_boosts_per_hour: int | None = None
    max_new_targets: int = MAX_NEW_TARGETS

    @property
    def counted(self) -> bool:
        """Whether a budget has to be kept."""
        return self.counts_agents or self.max_boosts_per_hour is not None

    @property
    def counts_agents(self) -> bool:
        """Whether it matters how many agents a lease reaches."""
        return self.by_share or self.max_boosted_agents is not None

    def among(self, live: int) -> Limits:
        """The same where so many agents live in the whole fleet."""
        return replace(self, max_boosted_agents=boosted_of(live)) if self.by_share else self

    def too_fast(self, lease: Lease) -> Refusal | None:
        most = self.max_frequency_hz
        if lease.kind == "cap" or lease.hz <= most:
            return None
        said = f"{shown(lease.profile, most)}{default_frequency(most)}"
        asked = shown(lease.profile, lease.hz)
        reason = f"limits.max_frequency is {said}, and this {lease.kind} asks for {asked}"
        return Refusal("max_frequency", most, lease.hz, reason)


def boosted_of(live: int) -> int:
    """Return how many of so many live agents may be boosted, unless the user sets another limit."""
    return max(LEAST, live // SHARE)


class Reservation(NamedTuple):
    """A lease's part of the budget; a tuple, because there may be thousands. Times in Redis ms.

    agents: how many it raises, of how many (`known`) that its target had; counted at the grant.
    rule: whose boost it is; None for an operator's. meant: how many agents its filter (as
    `draft.filter_key` has it) means, whatever they rest at or can raise; 0: all that are known.
    """

    target: str
    rule: str | None
    agents: int
    known: int
    since_ms: int
    expires_at_ms: int
    meant: int = 0
    filter: str = ""


Budget = Mapping[str, Reservation]


@dataclass(slots=True)
class _Use:
    """The live reservations of one target, and how many agents they raise."""

    live: dict[str, Reservation] = field(default_factory=dict)
    agents: int = 0


def _raised(live: Collection[Reservation]) -> int:
    """How many agents reservations of one target raise: no more than there are, nor of those that
    one filter means than it does, however many boosts reach them, for whatever profiles."""
    if len(live) < 2:  # as nearly always
        return sum(min(it.agents, it.meant or it.known, it.known) for it in live)
    raised: defaultdict[str, int] = defaultdict(int)
    meant: defaultdict[str, int] = defaultdict(int)
    for it in live:
        raised[it.filter] += it.agents
        meant[it.filter] = max(meant[it.filter], it.meant or it.known)
    known = max(it.known for it in live)
    return min(sum(min(raised[it], meant[it]) for it in raised), known)


class Ledger:
    """Mutable copy of a budget, with running totals. Lives inside one decision."""

    def __init__(self, budget: Budget, limits: Limits, now_ms: int) -> None:
        self.limits = limits
        self.now_ms = now_ms
        self.changed = False
        self._held: dict[str, Reservation] = {}
        self._targets: defaultdict[str, _Use] = defaultdict(_Use)
        #: Rule → lease → since, of the last hour.
        self._grants: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for lease, reservation in budget.items():
            self._enter(lease, reservation)
        for use in self._targets.values():
            use.agents = _raised(use.live.values())
        self.boosted_agents = sum(use.agents for use in self._targets.values())

    def take(self, lease: str, wanted: Reservation) -> Refusal | None:
        """Reserve, or return the limit that forbids it. To reserve a second time is free."""
        held = self._held.get(lease)
        if held is not None and held.expires_at_ms > self.now_ms:
            self.keep(lease, wanted)
            return None
        refusal = self._full(wanted) or self._too_often(wanted) or self._too_many(lease, wanted)
        if refusal is None:
            self.keep(lease, wanted)
        return refusal

    def keep(self, lease: str, wanted: Reservation) -> None:
        """Let the reservation of a lease that was granted before run on to its new end."""
        held = self._held.get(lease, wanted)
        end_ms = max(held.expires_at_ms, wanted.expires_at_ms)
        self._change(lease, held._replace(expires_at_ms=end_ms))

    def end(self, lease: str) -> None:
        """Free the agents of a lease that has ended; it stays one of this hour's boosts."""
        held = self._held.get(lease)
        if held is not None and held.expires_at_ms > self.now_ms:
            self._change(lease, held._replace(expires_at_ms=self.now_ms))

    def drop(self, lease: str) -> None:
        """Take away the reservation of a lease that was never granted."""
        if lease in self._held:
            self._change(lease, None)

    def finish(self) -> Budget:
        return self._held

    def by_target(self) -> dict[str, int]:
        """How many agents of each target are boosted."""
        return {name: use.agents for name, use in self._targets.items() if use.live}

    def _full(self, wanted: Reservation) -> Refusal | None:
        used = len(self._held)
        if used < MAX_RESERVATIONS:
            return None
        by_hour = self.limits.max_boosts_per_hour is not None
        limit = "max_boosts_per_hour" if by_hour and wanted.rule else "max_boosted_agents"
        reason = f"limits.{limit} can be counted for {MAX_RESERVATIONS} boosts, and so many are"
        return Refusal(limit, MAX_RESERVATIONS, used, reason)

    def _too_often(self, wanted: Reservation) -> Refusal | None:
        most, rule = self.limits.max_boosts_per_hour, wanted.rule
        if most is None or rule is None:
            return None
        grants = self._grants[rule]
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
        use = self._targets[wanted.target]
        more = _raised({**use.live, lease: wanted}.values()) - use.agents
        if not more or used + more <= most:
            return None
        by_share = f"{UNLESS_SET} (a third of the live agents, at least {LEAST})"
        default = by_share if self.limits.by_share else ""
        reason = (
            f"limits.max_boosted_agents is {most}{default}; {used} are boosted, "
            f"and this would boost {more} more"
        )
        return Refusal("max_boosted_agents", most, used, reason)

    def _change(self, lease: str, after: Reservation | None) -> None:
        before = self._held.get(lease)
        if before == after:
            return
        self.changed = True
        for it, move in ((before, self._leave), (after, self._enter)):
            if it is not None:
                move(lease, it)
        for target in {it.target for it in (before, after) if it is not None}:
            use = self._targets[target]
            self.boosted_agents -= use.agents
            use.agents = _raised(use.live.values())
            self.boosted_agents += use.agents

    def _enter(self, lease: str, it: Reservation) -> None:
        """Hold what still matters: it is live, or it is one of the last hour's boosts."""
        if it.expires_at_ms > self.now_ms:
            self._targets[it.target].live[lease] = it
            self._held[lease] = it
        if it.rule is not None and it.since_ms > self.now_ms - HOUR_MS:
            self._grants[it.rule][lease] = it.since_ms
            self._held[lease] = it

    def _leave(self, lease: str, it: Reservation) -> None:
        del self._held[lease]
        self._targets[it.target].live.pop(lease, None)
        if it.rule is not None:
            self._grants[it.rule].pop(lease, None)


def ends_ms(budget: Budget) -> int:
    """Return when nothing of a budget matters any more, in Redis ms."""
    return max((max(it.expires_at_ms, it.since_ms + HOUR_MS) for it in budget.values()), default=0)
