"""How much may be raised, at once and in an hour: limits, what is used of them, and the answer.

Pure. The budget is one document of the whole fleet. What is in it ends by itself, like the leases
it stands for, so whatever is forgotten there frees itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace

from upshift_agent.contract import MAX_HZ, Lease, shown

from ..durations import format_duration
from ..model import UNLESS_SET, Refusal, default_frequency
from .limiting.reservations import HOUR_MS, Budget, Reservation, Use

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
    is raised of them, boosts by each rule. None: no limit. Agents that share a profiler are one.

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


class Ledger:
    """Mutable copy of a budget, with running totals. Lives inside one decision."""

    def __init__(self, budget: Budget, limits: Limits, now_ms: int) -> None:
        self.limits = limits
        self.now_ms = now_ms
        self.changed = False
        self._held: dict[str, Reservation] = {}
        self._targets: defaultdict[str, Use] = defaultdict(Use)
        #: Rule → lease → since, of the last hour.
        self._grants: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for lease, reservation in budget.items():
            self._enter(lease, reservation)
        #: How many targets raise each shared profiler.
        self._sharing: Counter[str] = Counter()
        self.boosted_agents = 0
        for use in self._targets.values():
            use.count()
            self._add(use)

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
        with_it = Use({**use.live, lease: wanted})
        with_it.count()
        more = self._more(use, with_it)
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
            self._add(use, -1)
            use.count()
            self._add(use)

    def _more(self, before: Use, after: Use) -> int:
        """How many more are boosted with one use of a target in place of another."""
        used = self.boosted_agents
        self._add(before, -1)
        self._add(after)
        more = self.boosted_agents - used
        self._add(after, -1)
        self._add(before)
        return more

    def _add(self, use: Use, times: int = 1) -> None:
        """Count what a target raises, or (-1) no longer; a shared profiler once for all targets."""
        self.boosted_agents += times * (use.agents - len(use.shared))
        for name in use.shared:
            self.boosted_agents -= self._sharing[name] > 0
            self._sharing[name] += times
            self.boosted_agents += self._sharing[name] > 0

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
