"""Whom a replay takes to live where nobody has said that, and which of their profiles may move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from upshift_agent.contract import ALL, CPU, FLEET, HOST, PROFILES, Profile, Where

from ...claims import claims_of
from ...leases.overrides import unnamed
from ...matching import named
from ...model import BadTrigger, Claim, RuleSet
from ..fleet import SERVICE, Member, member
from ..trial import Notice


def assumed(notices: Iterable[Notice], several: Sequence[RuleSet], count: int) -> list[Member]:
    """Return a fleet that nobody has described: `count` agents for each service and node that
    alerts, rollouts and schedules are about, in each environment, namespace and cluster that they
    name, and of each version."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], Mapping[str, str]] = {}
    seen: set[object] = set()
    for notice in notices:
        for trigger in notice.triggers:
            if isinstance(trigger, BadTrigger):
                continue
            if (key := (trigger.kind, frozenset(trigger.labels.items()))) in seen:
                continue
            seen.add(key)
            for rules in several:
                for claim in claims_of(rules, trigger, hint=False):
                    if isinstance(claim, Claim) and claim.target != FLEET:
                        attributes = _meant(rules, claim)
                        found[claim.target, tuple(sorted(attributes.items()))] = attributes
    for schedule in (it for rules in several for it in rules.schedules):
        for target in schedule.targets:
            if target != FLEET and not any(name == target for name, _ in found):
                attributes = _asked(target, schedule.where)
                found[target, tuple(sorted(attributes.items()))] = attributes
    profiles = {CPU, *(profile for rules in several for profile in profiles_of(rules))}
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
    asked = _asked(claim.target, claim.where)
    if SERVICE in asked and claim.trigger.kind == "alert":
        return {**named(rules, claim.trigger), **asked}
    return asked


def _asked(target: str, where: Where) -> dict[str, str]:
    """Return the attributes of an agent of a target, with what a filter asks for."""
    kind, _, name = target.partition("/")
    asked = {key: it if isinstance(it, str) else it[0] for key, it in where.items()}
    return {HOST if kind == "node" else SERVICE: name, **asked}


def profiles_of(rules: RuleSet) -> list[Profile]:
    """Return the profiles that rules or schedules may move from their baselines."""
    moved: set[str] = {it.profile for it in (*rules.rules, *rules.rollouts)}
    for schedule in rules.schedules:
        moved |= set(schedule.profiles or (unnamed(schedule.kind, schedule.frequency_hz),))
    return [it for it in PROFILES if it in moved or ALL in moved]
