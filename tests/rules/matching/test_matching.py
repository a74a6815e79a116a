"""Which rules an alert meets and whom the boosts are about."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_agent.contract import Baseline
from upshift_rules.documents.document import read_rules
from upshift_rules.matchers import parse_matchers
from upshift_rules.matching import claims_of, explain
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


@pytest.mark.parametrize(
    ("labels", "target"),
    [
        ({"service_name": "a", "service": "b", "app": "c", "job": "d"}, "service/a"),
        ({"service": "b", "app": "c", "job": "d"}, "service/b"),
        ({"app": "c", "job": "d"}, "service/c"),
        ({"job": "d"}, "service/d"),
        ({"service_name": "", "job": "d"}, "service/d"),
        ({"service": "shop/checkout {eu}"}, "service/shop/checkout {eu}"),
        ({"service": "🛒"}, "service/🛒"),
    ],
)
def test_the_service_comes_from_the_first_label_present(
    labels: dict[str, str], target: str
) -> None:
    assert claim_of(rule(), alert(**labels)).target == target


@pytest.mark.parametrize(
    ("labels", "target"),
    [
        ({"node": "a", "host": "b", "instance": "c:9100"}, "node/a"),
        ({"host": "b", "instance": "c:9100"}, "node/b"),
        ({"instance": "worker-3:9100"}, "node/worker-3"),
        ({"instance": "10.0.0.3:9100"}, "node/10.0.0.3"),
        ({"instance": "[fe80::3]:9100"}, "node/fe80::3"),
        ({"instance": "fe80::3"}, "node/fe80::3"),
        ({"instance": ":9100"}, "node/:9100"),
    ],
)
def test_the_node_comes_from_the_first_label_present_without_its_port(
    labels: dict[str, str], target: str
) -> None:
    assert claim_of(rule(target="node"), alert(**labels)).target == target


def test_the_fleet_needs_no_label() -> None:
    assert claim_of(rule(target="fleet"), alert()).target == "fleet"


@pytest.mark.parametrize("label", ["deployment_environment", "environment", "env"])
def test_a_boost_is_for_the_environment_of_the_alert(label: str) -> None:
    where = claim_of(rule(), alert(service="a", **{label: "staging"})).where
    assert where == {"deployment.environment.name": "staging"}


def test_a_boost_is_for_every_environment_when_the_alert_names_none() -> None:
    assert claim_of(rule(), alert(service="a")).where == {}


def test_scope_target_is_for_every_environment_and_instance() -> None:
    named = alert(service="a", environment="staging", instance="a-1")
    assert claim_of(rule(scope="target"), named).where == {}


@pytest.mark.parametrize(
    ("labels", "attribute", "value"),
    [
        ({"instance": "10.0.0.1:80", "pod": "a-1"}, "service.instance.id", "10.0.0.1:80"),
        ({"pod": "a-1"}, "k8s.pod.name", "a-1"),
    ],
)
def test_scope_instance_is_for_the_instance_in_its_environment(
    labels: dict[str, str], attribute: str, value: str
) -> None:
    where = claim_of(rule(scope="instance"), alert(service="a", env="prod", **labels)).where
    assert where == {"deployment.environment.name": "prod", attribute: value}


def test_the_labels_that_name_things_are_configurable() -> None:
    labels = Labels(service=("svc",), environment=("stage",), instance=("k8s_pod_name",))
    named = alert(svc="a", service="b", stage="prod", env="x", k8s_pod_name="a-1")
    claim = claim_of(rule(scope="instance"), named, labels)
    assert claim.target == "service/a"
    assert claim.where == {"deployment.environment.name": "prod", "k8s.pod.name": "a-1"}


def test_where_adds_to_what_the_scope_says() -> None:
    where = claim_of(rule(where={"cloud.zone": "a"}), alert(service="a", env="prod")).where
    assert where == {"cloud.zone": "a", "deployment.environment.name": "prod"}


def test_where_with_several_values_narrows_to_the_one_of_the_alert() -> None:
    both = rule(where={"deployment.environment.name": ("prod", "test")})
    assert claim_of(both, alert(service="a", env="prod")).where == {
        "deployment.environment.name": "prod"
    }


def test_an_alert_about_others_than_where_wants_changes_nothing() -> None:
    only = rule(where={"deployment.environment.name": "prod"})
    outcome = outcome_of(alert(service="a", env="test"), only)
    assert (outcome.outcome, outcome.rule) == ("no_target", "high_cpu")
    assert "'test'" in outcome.reason
    assert "'prod'" in outcome.reason


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, "service_name, service, app, job"),
        ({"target": "node"}, "node, host, instance"),
        ({"target": "fleet", "scope": "instance"}, "instance, pod"),
    ],
)
def test_an_alert_with_no_target_names_the_labels_looked_for(
    fields: dict[str, object], missing: str
) -> None:
    outcome = outcome_of(alert(severity="page"), rule(**fields))
    assert outcome.outcome == "no_target"
    assert outcome.reason.endswith(f"the alert has none of the labels {missing}")


@pytest.mark.parametrize("name", ["x" * 10_000, "é" * 200, "\ud800"])
@pytest.mark.parametrize("label", ["service", "environment", "instance"])
def test_a_name_that_cannot_be_sent_is_invalid(label: str, name: str) -> None:
    labels = {"service": "a", "instance": "a-1", label: name}
    outcome = outcome_of(alert(**labels), rule(scope="instance"))
    assert (outcome.outcome, outcome.rule) == ("invalid", "high_cpu")
    assert len(outcome.reason) < 200


def test_one_rule_without_a_target_does_not_hold_up_the_others() -> None:
    found = claims_of(rules_of(rule(name="a"), rule(name="b", target="fleet")), alert())
    assert [type(it) for it in found] == [Outcome, Claim]


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
    verdicts = explain(rules, alert("HighCPU", service="checkout", severity="warn"))
    assert [(it.matches, it.reason) for it in verdicts] == [
        (True, "alertname is 'HighCPU'"),
        (False, "the trigger is 'high_latency', the alertname is 'HighCPU'"),
        (False, "severity=\"page\" is wanted, the alert has 'warn'"),
        (False, 'team=~"a|b" is wanted, the alert has no label team'),
        (True, 'severity!="page", service="checkout" fits'),
    ]
    assert isinstance(verdicts[0].result, Claim)
    assert verdicts[1].result is None


words = st.sampled_from(["high_cpu", "HighCPU", "page", "", "a-1", "x" * 300, "\ud800"])
names = st.sampled_from(
    ["alertname", "sampling_trigger", "severity", "service", "job", "env", "instance", "pod"]
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
    ("environment", "target", "instance"),
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
