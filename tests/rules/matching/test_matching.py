"""Which rules an alert meets, and how that is explained."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.matching.meeting import alert, claim_of, outcome_of, rule, rules_of
from upshift_rules.documents.document import read_rules
from upshift_rules.matchers import parse_matchers
from upshift_rules.matching import claims_of, explain
from upshift_rules.model import Claim, Outcome, Rule, Trigger


@pytest.mark.parametrize("name", ["high_cpu", "HighCPU", "high-cpu", "HIGH_CPU", "highcpu"])
def test_a_trigger_is_the_alertname_whatever_its_case_and_dashes(name: str) -> None:
    assert claim_of(rule("high_cpu"), alert(name, service="checkout")).rule.name == "high_cpu"
    assert claim_of(rule(name), alert("HighCPU", service="checkout")).rule.name == name


@pytest.mark.parametrize("name", ["high_cpus", "high cpu", "my_high_cpu", ""])
def test_a_trigger_is_not_a_part_of_the_alertname(name: str) -> None:
    assert outcome_of(alert(name, service="checkout"), rule("high_cpu")).outcome == "no_rule"


def test_the_label_sampling_trigger_asks_for_a_rule_as_well() -> None:
    asking = alert("Whatever", sampling_trigger="high-CPU", service="checkout")
    assert claim_of(rule("high_cpu"), asking).rule.name == "high_cpu"


def test_a_rule_that_both_labels_ask_for_applies_once() -> None:
    asking = alert("HighCPU", sampling_trigger="high_cpu", service="checkout")
    assert len(claims_of(rules_of(rule("high_cpu")), asking)) == 1


def test_with_match_the_trigger_is_only_a_name() -> None:
    page = rule("high_cpu", match=parse_matchers('severity="page"'))
    assert outcome_of(alert("HighCPU", service="checkout"), page).outcome == "no_rule"
    assert claim_of(page, alert("Other", severity="page", service="checkout")).rule is page


def test_all_matchers_must_fit() -> None:
    page = rule(match=parse_matchers('severity="page", team!="research"'))
    assert claim_of(page, alert(severity="page", service="a")).rule is page
    researchers = alert(severity="page", team="research", service="a")
    assert outcome_of(researchers, page).outcome == "no_rule"


def test_every_matching_rule_applies_in_the_order_of_the_document() -> None:
    everything = rule("any", match=parse_matchers('service=~".+"'))
    rules = rules_of(
        rule("HighCPU", name="b"), everything, rule("other"), rule("asked"), rule("high_cpu")
    )
    found = claims_of(rules, alert("HighCPU", sampling_trigger="asked", service="checkout"))
    assert [it.rule.name for it in found if isinstance(it, Claim)] == [
        "b", "any", "asked", "high_cpu",
    ]  # fmt: skip  # one list


def test_no_rule_names_the_nearest_trigger() -> None:
    outcome = outcome_of(alert("HighCPUUsage", service="a"), rule("high_cpu"), rule("disk_full"))
    assert outcome.reason == ("no rule has the trigger 'HighCPUUsage'; the nearest is 'high_cpu'")


def test_no_rule_says_what_else_there_is() -> None:
    page = rule("page", match=parse_matchers('severity="page"'))
    reasons = [
        outcome_of(alert("HighCPU")).reason,
        outcome_of(alert("Zebra"), rule("high_cpu")).reason,
        outcome_of(alert("Zebra"), page).reason,
        outcome_of(alert(None), rule("high_cpu")).reason,
    ]
    assert reasons == [
        "there are no rules",
        "no rule has the trigger 'Zebra'",
        "no rule has the trigger 'Zebra'; no rule's match list fits either",
        "the alert has no alertname",
    ]


def test_a_resolved_alert_meets_the_rules_that_it_met_while_firing() -> None:
    ended = Trigger(
        status="resolved", labels=alert(service="a").labels, identity="f", starts_at_ms=0
    )
    assert claim_of(rule(), ended).trigger is ended


def test_explain_says_of_every_rule_why_or_why_not() -> None:
    rules = rules_of(
        rule("high_cpu"),
        rule("high_latency"),
        rule("page", match=parse_matchers('severity="page"')),
        rule("team", match=parse_matchers('team=~"a|b"')),
        rule("yes", match=parse_matchers('severity!="page", service="checkout"')),
    )
    named = {"env": "a", "namespace": "b", "service_namespace": "c", "cluster": "d"}
    verdicts = explain(rules, alert("HighCPU", service="checkout", severity="warn", **named))
    assert [(it.matches, it.reason) for it in verdicts] == [
        (True, "alertname is 'HighCPU'"),
        (False, "the trigger is 'high_latency', the alertname is 'HighCPU'"),
        (False, "severity=\"page\" is wanted, the alert has 'warn'"),
        (False, 'team=~"a|b" is wanted, the alert has no label team'),
        (True, 'severity!="page", service="checkout" fits'),
    ]
    assert isinstance(verdicts[0].result, Claim)
    assert verdicts[1].result is None


@pytest.mark.parametrize(
    ("rule_has", "alert_has", "said"),
    [
        ({}, {}, "environment, namespace, service namespace or cluster"),
        ({}, {"env": "prod", "namespace": "shop"}, "service namespace or cluster"),
        ({}, {"env": "prod", "namespace": "shop", "service_namespace": "a"}, "cluster"),
        ({"scope": "environment"}, {"namespace": "shop"}, "environment"),
        ({"scope": "environment"}, {"env": "prod"}, ""),
        ({"scope": "target"}, {}, ""),
        ({"scope": "environment", "where": {"deployment.environment.name": "prod"}}, {}, ""),
    ],
)
def test_explain_says_what_the_alert_did_not_name(
    rule_has: dict[str, object], alert_has: dict[str, str], said: str
) -> None:
    (verdict,) = explain(rules_of(rule(**rule_has)), alert(service="checkout", **alert_has))
    more = f"; it names no {said}, so agents of any are meant" if said else ""
    assert verdict.reason == "alertname is 'HighCPU'" + more


words = st.sampled_from(["high_cpu", "HighCPU", "page", "", "a-1", "x" * 300, "\ud800"])
names = st.sampled_from(
    [
        "alertname",
        "sampling_trigger",
        "severity",
        "service",
        "job",
        "env",
        "namespace",
        "cluster",
        "instance",
        "pod",
    ]
)
alerts = st.builds(
    lambda labels, status: Trigger(status=status, labels=labels, identity="f", starts_at_ms=0),
    st.dictionaries(names, words),
    st.sampled_from(["firing", "resolved"]),
)
choices = product(
    ("high_cpu", "page"),
    ((), parse_matchers('severity="page"'), parse_matchers('env!~"a.*"')),
    ("service", "node", "fleet"),
    ("namespace", "environment", "instance", "target"),
    ({}, {"deployment.environment.name": ("page", "a-1")}),
)
many = st.sampled_from(
    [
        rule(trigger, match=match, target=target, scope=scope, where=where)
        for trigger, match, target, scope, where in choices
    ]
)


@given(alerts, st.lists(many, max_size=5))
def test_claims_and_explanations_always_agree(alert: Trigger, rules: list[Rule]) -> None:
    found = claims_of(rules_of(*rules), alert)
    explained = [it.result for it in explain(rules_of(*rules), alert) if it.result]
    if explained:
        assert found == explained
    else:
        assert [it.outcome for it in found if isinstance(it, Outcome)] == ["no_rule"]


def test_the_users_rules_meet_the_users_alerts() -> None:
    text = """
    sampling:
      on_alert:
        - {trigger: high_cpu, frequency: 100, duration: 10m}
        - {trigger: high_latency, frequency: 49, duration: 15m}
    """
    rules = read_rules(text, "sampling.yaml").document.sampling.rule_set()
    (claim,) = claims_of(rules, alert("HighLatency", service_name="checkout"))
    assert isinstance(claim, Claim)
    assert (claim.rule.frequency_hz, claim.target) == (49, "service/checkout")
