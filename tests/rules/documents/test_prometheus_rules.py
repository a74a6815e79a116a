"""The alerting rules that ship with Upshift, tried by Prometheus itself."""

import subprocess
from pathlib import Path

import pytest
import yaml

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


@pytest.mark.servers("promtool")
def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", "upshift.rules.yml")


@pytest.mark.servers("promtool")
def test_the_alerts_fire_and_resolve_when_they_should() -> None:
    promtool("test", "rules", "upshift.test.yml")


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
            assert claim.where == {"deployment.environment.name": labels["environment"]}
            met.add(claim.rule.name)
    assert met == {"high_cpu", "high_latency"}
