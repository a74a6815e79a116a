"""Alerts of the past, run through rules: what would have been raised, for how long, and at what
cost; with what schedules would have asked for meanwhile. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from upshift_agent.contract import (
    Lease,
    applies,
)

from ..cost import Bill, Coefficients, bill
from ..leases.agents import able
from ..leases.draft import filter_key
from ..leases.limits import Limits
from ..model import Outcome, RuleSet, Trigger
from .beside.assuming import profiles_of
from .beside.told import NO_SOURCES, Sources
from .fleet import Fleet
from .meter import Meter, Stretch, hz_seconds
from .trial import Notice, Step, Trial

#: What became of an alert in the end, from what matters most. Of each, the outcomes that say so.
FATES: Mapping[str, frozenset[str]] = {
    "boosted": frozenset({"granted", "renewed", "joined"}),
    "refused": frozenset({"refused"}),
    "cooldown": frozenset({"cooldown"}),
    "no_target": frozenset({"no_target"}),
    "invalid": frozenset({"invalid"}),
    "no_rule": frozenset({"no_rule"}),
    "other": frozenset(),  # it resolved before it was told to fire, for instance
}


class Ruled(NamedTuple):
    """Rules, and the limits that hold for them."""

    rules: RuleSet
    limits: Limits


@dataclass(slots=True)
class ByRule:
    """What one rule, or schedule, did. boosts: or caps, of a schedule. lasted_ms: these, all
    together. agents: the most that one reached."""

    boosts: int = 0
    renewed: int = 0
    refused: int = 0
    lasted_ms: int = 0
    agents: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of a span of time under some rules.

    fates: how many alerts (firings) ended in each of `FATES`. names: of those without a rule or a
    target, their names. rollouts: how many were told. by_schedule: by name. boosted_ms: time that
    agents were above their baseline, all together. most: how many were so at the same time. hz_s,
    resting_hz_s: Hz summed over agents and seconds, with what was granted and without; bill,
    resting: what both cost.
    """

    start_ms: int
    end_ms: int
    fates: Mapping[str, int]
    names: Mapping[str, Counter[str]]
    rollouts: int
    by_rule: Mapping[str, ByRule]
    by_schedule: Mapping[str, ByRule]
    stretches: Sequence[Stretch]
    boosted_ms: int
    most: int
    hz_s: float
    resting_hz_s: float
    bill: Bill
    resting: Bill

    @property
    def boosts(self) -> int:
        return sum(it.boosts for it in self.by_rule.values())

    @property
    def refused(self) -> int:
        return sum(it.refused for it in self.by_rule.values())

    @property
    def lasted_ms(self) -> int:
        return sum(it.lasted_ms for it in self.by_rule.values())


def replay(
    notices: Sequence[Notice],
    ruled: Ruled,
    fleet: Fleet,
    coefficients: Coefficients,
    start_ms: int,
    end_ms: int,
    sources: Sources = NO_SOURCES,
) -> Replayed:
    """Run notices, which are in order of time and lie within that span, through rules. Unix ms."""
    rules = ruled.rules
    meter = Meter(fleet, profiles_of(rules))
    tally = _Tally(
        fleet,
        {rule.key: ByRule() for rule in (*rules.rules, *rules.rollouts)},
        {it.name: ByRule() for it in rules.schedules},
    )
    planned = sources.planned(rules.schedules, start_ms, end_ms)
    trial = Trial(rules, ruled.limits, fleet, planned=planned)

    def hear(step: Step) -> None:
        meter.look(trial, step)
        tally.hear(step)

    trial.hear = hear
    for notice in notices:
        tally.told(notice, trial.tell(notice))
    trial.pass_until(end_ms)
    meter.finish(end_ms)
    for _, lease in trial.leases():
        tally.ended(lease.id, end_ms)
    hz_s, running_s = hz_seconds(trial, meter.stretches, end_ms - start_ms)
    resting_hz_s, resting_s = hz_seconds(trial, (), end_ms - start_ms)
    fates, names = tally.fates()
    return Replayed(
        start_ms=start_ms,
        end_ms=end_ms,
        fates=fates,
        names=names,
        rollouts=len(tally.rollouts),
        by_rule=tally.by_rule,
        by_schedule=tally.by_schedule,
        stretches=meter.stretches,
        boosted_ms=sum(
            it.ms * fleet.members[it.member].count * it.raised for it in meter.stretches
        ),
        most=meter.most,
        hz_s=hz_s,
        resting_hz_s=resting_hz_s,
        bill=bill(hz_s, running_s, coefficients),
        resting=bill(resting_hz_s, resting_s, coefficients),
    )


@dataclass(slots=True)
class _Tally:
    fleet: Fleet
    by_rule: dict[str, ByRule]
    by_schedule: dict[str, ByRule]
    rollouts: set[str] = field(default_factory=set)
    _since: dict[str, tuple[ByRule, int]] = field(default_factory=dict)  # of live leases
    _alerts: dict[tuple[str, int], tuple[str, set[str]]] = field(default_factory=dict)
    _agents: dict[tuple[str, str, str], int] = field(default_factory=dict)  # reached, by whom for

    def hear(self, step: Step) -> None:
        for entry in step.entries:
            lease = entry.lease
            mine = None if lease is None else self._whose(lease)
            if lease is None or mine is None:
                continue
            if entry.event == "granted":
                mine.boosts += 1
                mine.agents = max(mine.agents, self._reached(step.after.target, lease))
                self._since[lease.id] = mine, step.at_ms
            elif entry.event == "renewed":
                mine.renewed += 1
            elif entry.event == "refused":
                mine.refused += 1
            else:
                self.ended(lease.id, step.at_ms)

    def _whose(self, lease: Lease) -> ByRule | None:
        cause = lease.cause
        if cause.rule is not None:
            return self.by_rule[cause.rule]
        return None if cause.schedule is None else self.by_schedule[cause.schedule]

    def _reached(self, target: str, lease: Lease) -> int:
        key = target, lease.profile, filter_key(lease.where)
        if lease.fraction < 1 or key not in self._agents:
            agents = self.fleet.agents(target)
            agents = agents if lease.kind == "cap" else able(lease, agents)
            self._agents[key] = sum(applies(lease, it.attributes) for it in agents)
        return self._agents[key]

    def ended(self, lease: str, now_ms: int) -> None:
        if lease in self._since:
            mine, since_ms = self._since.pop(lease)
            mine.lasted_ms += now_ms - since_ms

    def told(self, notice: Notice, outcomes: Sequence[Sequence[Outcome]]) -> None:
        for trigger, several in zip(notice.triggers, outcomes, strict=True):
            if isinstance(trigger, Trigger) and trigger.kind == "rollout":
                self.rollouts.add(trigger.identity)
                continue
            starts_ms = trigger.starts_at_ms if isinstance(trigger, Trigger) else notice.at_ms
            key = trigger.identity, starts_ms
            _, known = self._alerts.setdefault(key, (trigger.name, set()))
            known.update(it.outcome for it in several)

    def fates(self) -> tuple[dict[str, int], dict[str, Counter[str]]]:
        counts = dict.fromkeys(FATES, 0)
        names: dict[str, Counter[str]] = {"no_rule": Counter(), "no_target": Counter()}
        for name, outcomes in self._alerts.values():
            fate = next((it for it, those in FATES.items() if those & outcomes), "other")
            counts[fate] += 1
            if fate in names:
                names[fate][name] += 1
        return counts, names
