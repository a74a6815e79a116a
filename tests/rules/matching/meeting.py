"""Rules and alerts that meet."""

from upshift_agent.contract import Baseline
from upshift_rules.matching import claims_of
from upshift_rules.model import Claim, Labels, Outcome, Rule, RuleSet, Trigger

BASELINE = Baseline(19)


def rule(trigger: str = "high_cpu", **fields: object) -> Rule:
    given: dict[str, object] = {
        "name": trigger,
        "trigger": trigger,
        "frequency_hz": 100,
        "duration_ms": 600_000,
        "max_duration_ms": 2_400_000,
    }
    return Rule(**(given | fields))  # type: ignore[arg-type]  # the tests' own short hand


def rules_of(*rules: Rule, labels: Labels | None = None) -> RuleSet:
    return RuleSet(baseline=BASELINE, rules=rules, labels=labels or Labels())


def alert(name: str | None = "HighCPU", **labels: str) -> Trigger:
    named = {} if name is None else {"alertname": name}
    return Trigger(status="firing", labels=named | labels, identity="f", starts_at_ms=0)


def claim_of(rule: Rule, alert: Trigger, labels: Labels | None = None) -> Claim:
    (claim,) = claims_of(rules_of(rule, labels=labels), alert)
    assert isinstance(claim, Claim), claim
    return claim


def outcome_of(alert: Trigger, *rules: Rule) -> Outcome:
    (outcome,) = claims_of(rules_of(*rules), alert)
    assert isinstance(outcome, Outcome), outcome
    return outcome
