"""Alerts of the past, run through rules: what would have been raised, for how long, and at what
cost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from upshift_agent.contract import CPU, FLEET, HOST, PROFILES, Lease, applies

from ..cost import Bill, Coefficients, bill
from ..leases.agents import able
from ..leases.draft import filter_key
from ..leases.limits import Limits
from ..matching import claims_of, named
from ..model import BadTrigger, Claim, Outcome, RuleSet, Trigger
from .fleet import SERVICE, Fleet, Member, member
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
    """What one rule did. lasted_ms: its boosts, all together. agents: the most that one reached."""

    boosts: int = 0
    renewed: int = 0
    refused: int = 0
    lasted_ms: int = 0
    agents: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of a span of time under some rules.

    fates: how many alerts (firings) ended in each of `FATES`. names: of those without a rule or a
    target, their names. boosted_ms: time that agents were above their baseline, all together.
    most: how many were so at the same time. hz_s, resting_hz_s: Hz summed over agents and seconds,
    with boosts and without any; bill, resting: what both cost.
    """

    start_ms: int
    end_ms: int
    fates: Mapping[str, int]
    names: Mapping[str, Counter[str]]
    by_rule: Mapping[str, ByRule]
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
) -> Replayed:
    """Run notices, which are in order of time and lie within that span, through rules. Unix ms."""
    rules = ruled.rules
    raised = {rule.profile for rule in rules.rules}
    meter = Meter(fleet, [it for it in PROFILES if it in raised])
    tally = _Tally(fleet, {rule.key: ByRule() for rule in rules.rules})
    trial = Trial(rules, ruled.limits, fleet)

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
        by_rule=tally.by_rule,
        stretches=meter.stretches,
        boosted_ms=sum(it.ms * fleet.members[it.member].count for it in meter.stretches),
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
    _since: dict[str, tuple[str, int]] = field(default_factory=dict)  # of live boosts
    _alerts: dict[tuple[str, int], tuple[str, set[str]]] = field(default_factory=dict)
    _agents: dict[tuple[str, str, str], int] = field(default_factory=dict)  # reached, by whom for

    def hear(self, step: Step) -> None:
        for entry in step.entries:
            lease = entry.lease
            if lease is None or (rule := lease.cause.rule) is None:
                continue
            mine = self.by_rule[rule]
            if entry.event == "granted":
                mine.boosts += 1
                mine.agents = max(mine.agents, self._reached(step.after.target, lease))
                self._since[lease.id] = rule, step.at_ms
            elif entry.event == "renewed":
                mine.renewed += 1
            elif entry.event == "refused":
                mine.refused += 1
            else:
                self.ended(lease.id, step.at_ms)

    def _reached(self, target: str, lease: Lease) -> int:
        key = target, lease.profile, filter_key(lease.where)
        if lease.fraction < 1 or key not in self._agents:
            agents = able(lease, self.fleet.agents(target))
            self._agents[key] = sum(applies(lease, it.attributes) for it in agents)
        return self._agents[key]

    def ended(self, lease: str, now_ms: int) -> None:
        if lease in self._since:
            rule, since_ms = self._since.pop(lease)
            self.by_rule[rule].lasted_ms += now_ms - since_ms

    def told(self, notice: Notice, outcomes: Sequence[Sequence[Outcome]]) -> None:
        for trigger, several in zip(notice.triggers, outcomes, strict=True):
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


def assumed(notices: Iterable[Notice], several: Sequence[RuleSet], count: int) -> list[Member]:
    """Return a fleet that nobody has described: `count` agents for each service and node that
    alerts are about, in each environment, namespace and cluster that they name."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], Mapping[str, str]] = {}
    seen: set[str] = set()
    for notice in notices:
        for trigger in notice.triggers:
            if isinstance(trigger, BadTrigger) or trigger.identity in seen:
                continue
            seen.add(trigger.identity)
            for rules in several:
                for claim in claims_of(rules, trigger, hint=False):
                    if isinstance(claim, Claim) and claim.target != FLEET:
                        attributes = _meant(rules, claim)
                        found[claim.target, tuple(sorted(attributes.items()))] = attributes
    profiles = {rule.profile for rules in several for rule in rules.rules} | {CPU}
    return [
        Member(
            name=f"{target} {number}",
            home=target,
            attributes=member(f"{target} {number}", attributes).attributes,
            profiles=tuple(it for it in PROFILES if it in profiles),
            count=count,
        )
        for number, ((target, _), attributes) in enumerate(found.items())
    ]


def _meant(rules: RuleSet, claim: Claim) -> dict[str, str]:
    """Return the attributes of an agent that a claim is about."""
    asked = {key: it if isinstance(it, str) else it[0] for key, it in claim.where.items()}
    kind, _, name = claim.target.partition("/")
    if kind == "node":
        return {HOST: name, **asked}
    return {SERVICE: name, **named(rules, claim.trigger), **asked}
