"""The alerting rules that ship with Upshift, tried by Prometheus itself."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from upshift_controller.metrics import Metrics, figures
from upshift_controller.views.fleet import fleet
from upshift_rules.documents.document import read_rules
from upshift_rules.matching import claims_of
from upshift_rules.model import Claim, Trigger

RULES = Path(__file__).parents[3] / "rules"


def promtool(*arguments: str) -> None:
    done = subprocess.run(
        ["promtool", *arguments],
        cwd=RULES / "prometheus",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


#: Alerts that Upshift answers, and alerts on Upshift itself.
SHIPPED = pytest.mark.parametrize("name", ["upshift", "upshift-self"])


@SHIPPED
@pytest.mark.servers("promtool")
def test_prometheus_takes_the_rules(name: str) -> None:
    promtool("check", "rules", f"{name}.rules.yml")


@SHIPPED
@pytest.mark.servers("promtool")
def test_the_alerts_fire_and_resolve_when_they_should(name: str) -> None:
    promtool("test", "rules", f"{name}.test.yml")


def test_alerts_on_upshift_itself_are_about_metrics_that_it_has() -> None:
    text = (RULES / "prometheus" / "upshift-self.rules.yml").read_text()
    served = generate_latest(Metrics().registry).decode()
    gauges = {it.name for it in figures(fleet({}, {}, 0))}
    for name in set(re.findall(r"upshift_[a-z_]+", text)):
        assert name in gauges or f"# TYPE {name} " in served, name


def test_every_alert_that_promtool_saw_is_granted_a_boost_by_the_users_rules() -> None:
    text = (RULES / "examples" / "sampling.yaml").read_bytes()
    rules = read_rules(text, "sampling.yaml").document.sampling.rule_set()
    unit_tests = yaml.safe_load((RULES / "prometheus" / "upshift.test.yml").read_bytes())
    met = set()
    for row in (row for test in unit_tests["tests"] for row in test["alert_rule_test"]):
        for alert in row["exp_alerts"]:
            labels = {"alertname": row["alertname"], **alert["exp_labels"]}
            (claim,) = claims_of(
                rules, Trigger(status="firing", labels=labels, identity="f", starts_at_ms=0)
            )
            assert isinstance(claim, Claim)
            assert claim.target == f"service/{labels['service_name']}"
            names = {
                "environment": "deployment.environment.name",
                "namespace": "k8s.namespace.name",
                "cluster": "k8s.cluster.name",
            }
            assert claim.where == {names[it]: labels[it] for it in names if it in labels}
            met.add(claim.rule.name)
    assert met == {"high_cpu", "high_latency"}
