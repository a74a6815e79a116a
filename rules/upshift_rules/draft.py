"""A target's state in the making. Lives inside one call of `transition`, and nowhere else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from upshift_agent.wire import SET_BACK_MS, Lease, Where, dump

from .changes import Entry, Event
from .model import Outcome, Refusal
from .rooms import unfit
from .state import Episode, TargetState, Told

#: Episodes kept per target; the oldest go first. Alertmanager repeats for as long as it fires.
MAX_EPISODES = 512
#: How long an ended episode is remembered, against a late repeat of another Alertmanager; and a
#: refusal, where no word comes that its alert has resolved.
EPISODE_MEMORY_MS = 24 * 60 * 60 * 1000


def scope_key(rule: str, where: Where) -> str:
    """What makes two alerts share one boost: the rule, and whom it boosts."""
    if not where:
        return rule
    items = tuple(where.items())
    return f"{rule} {_filter_key(items if len(items) == 1 else tuple(sorted(items)))}"


@lru_cache(maxsize=1024)  # a webhook's alerts share a few filters
def _filter_key(items: tuple[tuple[str, str | tuple[str, ...]], ...]) -> str:
    return dump(items)


def digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


class Draft:
    """Mutable copy of a state, with the few moves that all changes are made of."""

    def __init__(self, state: TargetState, now_ms: int, refused: Mapping[str, Refusal]) -> None:
        self.before = state
        self.target = state.target
        self.now_ms = now_ms
        self.refused = refused
        #: In one step, all alerts of a rule and scope get the same answer.
        self.refused_scopes: dict[str, Refusal] = {}
        self.joined: dict[tuple[str, int], Outcome] = {}
        self.leases = {lease.id: lease for lease in state.leases}
        self.episodes = dict(state.episodes)
        self.cooldowns = dict(state.cooldowns)
        self.refusals = dict(state.refusals)
        self.baseline = state.baseline
        self.entries: list[Entry] = []

    def unfit(self, lease: Lease) -> str | None:
        """Why there is no room for a new lease, if so."""
        return unfit(lease, self.leases.values(), self.target)

    def put(self, lease: Lease, event: Event, reason: str | None = None) -> None:
        """Add a lease, or replace the one with its id."""
        self.leases[lease.id] = lease
        self._record(event, reason or lease.reason, lease, lease.because)

    def end(
        self, lease: Lease, event: Event, how: str, because: Mapping[str, Any] | None = None
    ) -> None:
        del self.leases[lease.id]
        scope = scope_key(lease.because.get("rule", ""), lease.where)
        if self.now_ms < lease.expires_at_ms and scope in self.cooldowns:
            # It ended early, so its cooldown begins early too.
            self.cooldowns[scope] -= lease.expires_at_ms - self.now_ms
        self._record(event, f"{lease.reason}; {how}", lease, because or {})

    def expire(self) -> None:
        for lease in self.leases.values():
            if lease.since_ms > self.now_ms + SET_BACK_MS:
                length_ms = lease.expires_at_ms - lease.since_ms
                end_ms = self.now_ms + length_ms
                lease = replace(lease, since_ms=self.now_ms, expires_at_ms=end_ms)
                why = "Redis's clock was set back: it runs for its length from now"
                self.put(lease, "renewed", f"{lease.reason}; {why}")
        for lease in [it for it in self.leases.values() if it.expires_at_ms <= self.now_ms]:
            self.end(lease, "expired", "it ran to its end")

    def refuse(self, lease: Lease, refusal: Refusal) -> None:
        """Leave word of a lease that a limit forbids."""
        why, by = f"{lease.reason}; {refusal.reason}", lease.because.get("by")
        entry = Entry(event="refused", reason=why, lease=lease, by=by, limit=refusal.limit)
        self.entries.append(entry)

    def _record(self, event: Event, reason: str, lease: Lease, because: Mapping[str, Any]) -> None:
        self.entries.append(Entry(event=event, reason=reason, lease=lease, by=because.get("by")))

    def finish(self) -> TargetState:
        """The new state; the old object itself when nothing changed, so nothing is written."""
        before, leases = self.before, tuple(self.leases.values())
        if (
            leases == before.leases
            and self.episodes == before.episodes
            and self.cooldowns == before.cooldowns
            and self.refusals == before.refusals
            and self.baseline == before.baseline
        ):
            return before
        return replace(
            before,
            leases=leases,
            baseline=self.baseline,
            episodes=self._remembered(),
            cooldowns={k: until for k, until in self.cooldowns.items() if until > self.now_ms},
            refusals=self._told(),
        )

    def _told(self) -> dict[str, Told]:
        recent = self.now_ms - EPISODE_MEMORY_MS
        kept = {scope: it for scope, it in self.refusals.items() if it.at_ms > recent}
        if len(kept) <= MAX_EPISODES:
            return kept
        return dict(sorted(kept.items(), key=lambda item: item[1].at_ms)[-MAX_EPISODES:])

    def _remembered(self) -> dict[str, Episode]:
        kept = {
            key: it
            for key, it in self.episodes.items()
            if not it.ended or self.now_ms - it.ended_ms < EPISODE_MEMORY_MS
        }
        if len(kept) <= MAX_EPISODES:
            return kept
        return dict(sorted(kept.items(), key=lambda item: item[1].since_ms)[-MAX_EPISODES:])
