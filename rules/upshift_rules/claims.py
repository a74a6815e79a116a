"""Which rules a trigger meets, of whatever kind it is. Pure."""

from __future__ import annotations

from . import matching
from .matching import Verdict
from .model import Claim, Outcome, RuleSet, Trigger
from .rollouts import claims_of_rollout, explain_rollout


def claims_of(rules: RuleSet, trigger: Trigger, *, hint: bool = True) -> list[Claim | Outcome]:
    """Return one entry for each rule that matches; see `matching.claims_of`."""
    if trigger.kind == "rollout":
        return claims_of_rollout(rules, trigger)
    return matching.claims_of(rules, trigger, hint=hint)


def explain(rules: RuleSet, trigger: Trigger) -> list[Verdict]:
    """Return for every rule of the trigger's kind why it does or does not match."""
    if trigger.kind == "rollout":
        return explain_rollout(rules, trigger)
    return matching.explain(rules, trigger)
