"""Whom a boost is about: service, node or fleet, and which of them."""

import pytest

from rules.matching.meeting import alert, claim_of, outcome_of, rule, rules_of
from upshift_rules.matching import claims_of
from upshift_rules.model import Claim, Labels, Outcome


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


@pytest.mark.parametrize(
    ("label", "attribute"),
    [
        ("namespace", "k8s.namespace.name"),
        ("k8s_namespace_name", "k8s.namespace.name"),
        ("service_namespace", "service.namespace"),
        ("cluster", "k8s.cluster.name"),
        ("k8s_cluster_name", "k8s.cluster.name"),
    ],
)
@pytest.mark.parametrize("scope", ["namespace", "instance"])
def test_a_boost_is_for_the_namespace_and_cluster_of_the_alert(
    scope: str, label: str, attribute: str
) -> None:
    named = alert(service="a", env="prod", pod="a-1", **{label: "shop"})
    claim = claim_of(rule(scope=scope), named)
    assert (claim.where["deployment.environment.name"], claim.where[attribute]) == ("prod", "shop")
    assert claim.soft == ("deployment.environment.name", attribute)


def test_the_namespace_is_the_default_and_the_environment_is_all_that_its_scope_takes() -> None:
    named = alert(service="a", env="prod", namespace="shop", cluster="eu")
    wheres = [claim_of(it, named).where for it in (rule(), rule(scope="environment"))]
    assert wheres == [
        {
            "deployment.environment.name": "prod",
            "k8s.namespace.name": "shop",
            "k8s.cluster.name": "eu",
        },
        {"deployment.environment.name": "prod"},
    ]


def test_an_empty_namespace_is_none() -> None:
    both = alert(service="a", namespace="", k8s_namespace_name="shop", cluster="")
    assert claim_of(rule(), both).where == {"k8s.namespace.name": "shop"}


def test_what_where_names_is_never_soft() -> None:
    mine = rule(where={"k8s.namespace.name": ("shop", "bank"), "cloud.zone": "a"})
    claim = claim_of(mine, alert(service="a", env="prod", namespace="shop"))
    assert claim.where["k8s.namespace.name"] == "shop"
    assert claim.soft == ("deployment.environment.name",)


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
    labels = Labels(
        service=("svc",),
        environment=("stage",),
        namespace=("ns",),
        service_namespace=("sns",),
        cluster=("site",),
        instance=("k8s_pod_name",),
    )
    others = {"service": "b", "env": "x", "namespace": "x", "cluster": "x"}
    mine = {"svc": "a", "stage": "prod", "ns": "shop", "sns": "web", "site": "eu"}
    named = alert(**mine, **others, k8s_pod_name="a-1")
    claim = claim_of(rule(scope="instance"), named, labels)
    assert claim.target == "service/a"
    assert claim.where == {
        "deployment.environment.name": "prod",
        "k8s.namespace.name": "shop",
        "service.namespace": "web",
        "k8s.cluster.name": "eu",
        "k8s.pod.name": "a-1",
    }


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
@pytest.mark.parametrize("label", ["service", "environment", "namespace", "cluster", "instance"])
def test_a_name_that_cannot_be_sent_is_invalid(label: str, name: str) -> None:
    labels = {"service": "a", "instance": "a-1", label: name}
    outcome = outcome_of(alert(**labels), rule(scope="instance"))
    assert (outcome.outcome, outcome.rule) == ("invalid", "high_cpu")
    assert len(outcome.reason) < 200


def test_one_rule_without_a_target_does_not_hold_up_the_others() -> None:
    found = claims_of(rules_of(rule(name="a"), rule(name="b", target="fleet")), alert())
    assert [type(it) for it in found] == [Outcome, Claim]
