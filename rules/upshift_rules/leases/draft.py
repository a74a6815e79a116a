"""A target's state while one call of `transition` changes it; it lives nowhere else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from upshift_agent.contract import (
    SERVICE_VERSION,
    SET_BACK_MS,
    Cause,
    Lease,
    Where,
    dump,
    one_line,
    shorten,
)

from ..model import Claim, Outcome, Refusal, Rule
from .agents import Agent, reaching_nobody
from .canary import aimed, reached
from .changes import Entry, Event
from .memory import MEMORY_MS, remembered
from .rooms import unfit
from .state import NOTHING_LEFT, Case, Episode, Episodes, TargetState


def scope_key(rule: Rule, where: Where) -> str:
    """Return the key of a case: two alerts with the same rule and filter share one boost."""
    if not where:
        return rule.key
    return f"{rule.key} {filter_key(where)}"


def cooling_key(scope: str, key: str, of_rollout: bool, where: Where) -> str:
    """Return the key of the case whose cooldown counts: of a rollout, that of all versions."""
    if not of_rollout:
        return scope
    return f"{key} {filter_key({k: v for k, v in where.items() if k != SERVICE_VERSION})} rollouts"


def filter_key(where: Where) -> str:
    """Return what is the same of filters that mean the same agents; of none, empty."""
    items = tuple(where.items())
    return _key(items if len(items) == 1 else tuple(sorted(items))) if items else ""


@lru_cache(maxsize=1024)  # a webhook's alerts share a few filters
def _key(items: tuple[tuple[str, str | tuple[str, ...]], ...]) -> str:
    return digest(dump(items), 16)  # short, because it is remembered


def digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


class Draft:
    """Mutable copy of a state, with the few moves that all changes are made of."""

    def __init__(
        self,
        state: TargetState,
        now_ms: int,
        refused: Mapping[str, Refusal],
        agents: Sequence[Agent] | None = None,
    ) -> None:
        self.before = state
        self.target = state.target
        self.now_ms = now_ms
        self.refused = refused
        #: The live ones of the target; None: nobody has asked.
        self.agents = agents
        #: In one step, all alerts of a rule and scope get the same answer.
        self.refused_scopes: dict[str, Refusal] = {}
        self.joined: dict[tuple[str, int, str], Outcome] = {}
        self.leases = {lease.id: lease for lease in state.leases}
        self.stops = dict(state.stops)
        self.cases = dict(state.cases)
        self._own: set[str] = set()  # scopes whose episodes are a copy, to be changed
        self._firing: dict[str, int] = {}
        self._reported: dict[str, bool] = {}  # whether a live agent has this attribute
        self.baseline = state.baseline
        self.configured = state.configured
        self.entries: list[Entry] = []

    def unfit(self, lease: Lease) -> str | None:
        """Why there is no room for a new lease, if so."""
        return unfit(lease, self.leases.values(), self.target)

    def aim(self, lease: Lease) -> Lease:
        return lease if self.agents is None else aimed(lease, self.agents)

    def for_whom(self, lease: Lease) -> str:
        """Return the end of a sentence: how many agents a lease for a share of them reaches."""
        if self.agents is None or lease.fraction >= 1:
            return ""
        return f", {reached(lease, self.agents)}"

    def reaching_nobody(self, lease: Lease) -> str:
        """Return the end of a sentence: that nobody can raise what a lease is for, if so."""
        return reaching_nobody(lease, self.agents, self.target)

    def softened(self, claim: Claim) -> tuple[Where, str]:
        """Return a boost's filter without what of its scope no live agent reports, and a word of
        that for the end of a sentence. Where nobody lives, nobody is missed: all of it stays."""
        if not (claim.soft and self.agents):
            return claim.where, ""
        for name in claim.soft:
            if name not in self._reported:
                self._reported[name] = any(name in it.attributes for it in self.agents)
        out = {it: claim.where[it] for it in claim.soft if not self._reported[it]}
        if not out:
            return claim.where, ""
        said = ", ".join(f"{name} {shorten(value)}" for name, value in out.items())
        where = {name: value for name, value in claim.where.items() if name not in out}
        return where, f"; not narrowed to {said}, which no live agent reports"

    def scope_of(self, lease: Lease) -> str | None:
        """Return the key of a boost's case; None for a lease that has none, as an operator's."""
        if lease.cause.rule is None:
            return None
        # Not by its filter: that may be softer than what the case is about.
        return next((scope for scope, case in self.cases.items() if case.lease == lease.id), None)

    def put(self, lease: Lease, event: Event, reason: str | None = None) -> None:
        """Add a lease, or replace the one with its id."""
        self.leases[lease.id] = lease
        self._record(event, reason or lease.reason, lease, lease.cause)

    def end(self, lease: Lease, event: Event, how: str, cause: Cause | None = None) -> None:
        """Take a lease away, and write that into the history.

        A boost that ran to its end may be taken up again by an alert that still fires; one that was
        ended early may not.
        """
        del self.leases[lease.id]
        scope = None if event == "expired" else self.scope_of(lease)
        if scope is not None:
            case = self.cases[scope]
            early_ms = lease.expires_at_ms - self.now_ms  # and so early its cooldown begins
            self.cases[scope] = case._replace(started_ms=0, left=NOTHING_LEFT)
            of_rollout = lease.cause.origin == "rollout"
            cooling = cooling_key(scope, lease.cause.rule or "", of_rollout, lease.where)
            if ends_ms := self.case(cooling).cooling_ms:
                self.change(cooling, cooling_ms=ends_ms - early_ms)
        self._record(event, f"{lease.reason}; {how}", lease, cause)

    def expire(self) -> None:
        for lease in self.leases.values():
            if lease.since_ms > self.now_ms + SET_BACK_MS:
                length_ms = lease.expires_at_ms - lease.since_ms
                end_ms = self.now_ms + length_ms
                self._set_back(lease, lease.expires_at_ms - end_ms)
                lease = replace(lease, since_ms=self.now_ms, expires_at_ms=end_ms)
                why = "Redis's clock was set back: it runs for its length from now"
                self.put(lease, "renewed", f"{lease.reason}; {why}")
        for lease in [
            lease for lease in self.leases.values() if lease.expires_at_ms <= self.now_ms
        ]:
            self.end(lease, "expired", "it ran to its end")

    def _set_back(self, lease: Lease, ms: int) -> None:
        """Move what a boost's case knows of its times back by `ms`."""
        scope = self.scope_of(lease)
        if scope is not None:
            case = self.cases[scope]
            started_ms, cooling_ms = (at and at - ms for at in (case.started_ms, case.cooling_ms))
            self.change(scope, started_ms=started_ms, cooling_ms=cooling_ms)

    def refuse(self, lease: Lease, refusal: Refusal) -> None:
        """Write into the history that a limit, or a guard, forbids a lease."""
        why, by = f"{lease.reason}; {refusal.reason}", lease.cause.by
        entry = Entry(event="refused", reason=why, lease=lease, by=by, limit=refusal.limit)
        self.entries.append(entry)

    def guard(self, lease: Lease, stop_if: str) -> str:
        """Have a lease end early once `stop_if` is true. Return a word of that for the end of a
        sentence; nothing where there is none."""
        if not stop_if:
            return ""
        self.stops[lease.id] = stop_if
        return f"; until stop_if is true: {one_line(stop_if, 200)}"

    def _record(self, event: Event, reason: str, lease: Lease, cause: Cause | None) -> None:
        by = cause.by if cause else None
        self.entries.append(Entry(event=event, reason=reason, lease=lease, by=by))

    def case(self, scope: str) -> Case:
        return self.cases.get(scope) or Case(forgotten=self.before.forgotten)

    def change(self, scope: str, **fields: Any) -> None:
        self.cases[scope] = self.case(scope)._replace(**fields)

    def remember(self, scope: str, identity: str, episode: Episode) -> None:
        """Remember `episode` as the newest one of the trigger with this identity."""
        case = self.case(scope)
        if scope not in self._own:  # copied once, however many alerts there are
            self._own.add(scope)
            case = self.cases[scope] = case._replace(episodes=Episodes(case.episodes))
        if scope in self._firing:
            former = case.episodes.get(identity)
            self._firing[scope] += self._fires(episode) - (
                former is not None and self._fires(former)
            )
        case.episodes[identity] = episode

    def firing(self, scope: str) -> int:
        """How many alerts of a case are known to fire; those that are forgotten count as one."""
        case = self.case(scope)
        if scope not in self._firing:
            self._firing[scope] = sum(map(self._fires, case.episodes.values()))
        return self._firing[scope] + (case.forgotten.heard_ms > self.now_ms - MEMORY_MS)

    def _fires(self, episode: Episode) -> bool:
        return not episode.ended and episode.until_ms > self.now_ms - MEMORY_MS

    def finish(self) -> TargetState:
        """Return the new state; the old object itself when nothing changed: nothing is written."""
        before, leases = self.before, tuple(self.leases.values())
        stops = {lease: it for lease, it in self.stops.items() if lease in self.leases}
        if (
            (leases, stops) == (before.leases, before.stops)
            and self.cases == before.cases
            and (self.baseline, self.configured) == (before.baseline, before.configured)
        ):
            return before
        cases, forgotten = remembered(self.cases, self.leases, before.forgotten, self.now_ms)
        return replace(
            before,
            leases=leases,
            baseline=self.baseline,
            configured=self.configured,
            cases=cases,
            forgotten=forgotten,
            stops=stops,
        )
