"""A service's rollout as a trigger: which rules of `on_rollout` it meets, and for whom. Pure.

What is a rollout and what is none is decided elsewhere: by whoever sees which versions live.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from upshift_agent.contract import (
    SERVICE_VERSION,
    VERSION_SCOPE,
    Where,
    dump,
    service_target,
    shorten,
)

from .matching import SCOPED, Verdict
from .model import Claim, Outcome, Rule, RuleSet, Trigger

SERVICE = VERSION_SCOPE[0]
VERSION = "version"
#: The labels that `match:` of a rollout's rule sees, by the attribute that each stands for.
LABELS = {SERVICE: "service", SERVICE_VERSION: VERSION, **SCOPED}


def rollout(attributes: Mapping[str, str], starts_at_ms: int) -> Trigger:
    """Return the trigger of a version that began to live. attributes: those that name it."""
    labels = {LABELS[it]: value for it, value in attributes.items()}
    identity = hashlib.sha256(dump(sorted(labels.items())).encode()).hexdigest()[:16]
    return Trigger("firing", labels, identity, starts_at_ms, kind="rollout")


def attributes_of(trigger: Trigger) -> dict[str, str]:
    """Return the attributes that name the version: what `rollout` was told."""
    return {it: trigger.labels[label] for it, label in LABELS.items() if label in trigger.labels}


def in_words(trigger: Trigger) -> str:
    """`checkout 2.1.0 rolled out`, and where."""
    said = dict(trigger.labels)
    name = f"{said.pop(LABELS[SERVICE])} {said.pop(VERSION)} rolled out"
    return name + (f" in {', '.join(said.values())}" if said else "")


def claims_of_rollout(rules: RuleSet, trigger: Trigger) -> list[Claim | Outcome]:
    """As `claims_of` of an alert."""
    found = [it.result for it in explain_rollout(rules, trigger) if it.result is not None]
    if found:
        return found
    why = "no rule of on_rollout has a match list that fits" if rules.rollouts else _NONE
    return [Outcome(outcome="no_rule", reason=why)]


def explain_rollout(rules: RuleSet, trigger: Trigger) -> list[Verdict]:
    """Return for every rule of `on_rollout` why it does or does not match."""
    return [_verdict(rule, trigger) for rule in rules.rollouts]


_NONE = "there are no rules of on_rollout"


def _verdict(rule: Rule, trigger: Trigger) -> Verdict:
    for matcher in rule.match:
        value = trigger.labels.get(matcher.label, "")
        if not matcher.matches(value):
            has = f"has {shorten(value)}" if value else f"has no {matcher.label}"
            return Verdict(rule, False, f"{matcher.text} is wanted, the rollout {has}")
    fits = ", ".join(it.text for it in rule.match)
    reason = f"{fits} fits" if fits else "it is for every rollout"
    return Verdict(rule, True, reason, _claim(rule, trigger))


def _claim(rule: Rule, trigger: Trigger) -> Claim:
    """All of the filter is of what the agents report themselves, so none of it is ever softened."""
    named = {it: value for it, value in attributes_of(trigger).items() if it != SERVICE}
    where: Where = {**rule.where, **named}
    return Claim(rule, trigger, service_target(trigger.labels[LABELS[SERVICE]]), where)
