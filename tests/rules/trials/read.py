"""Rule tests as tests of them read and run them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from upshift_rules.documents.document import read_rules
from upshift_rules.leases.limits import Limits
from upshift_rules.trials.document import read_tests
from upshift_rules.trials.testing import Result, run_tests

HERE = Path(__file__).parent
RULES = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 99, duration: 10m, on_resolved: revert, while_firing: true}
    - {trigger: slow, profile: [cpu, wall], frequency: 49, duration: 5m, cooldown: 20m}
    - {trigger: canary, frequency: 97, duration: 10m, scope: target, fraction: 0.1}
"""
AGENTS = """
agents:
  a/1: {attributes: {service.name: a, deployment.environment.name: production}}
  a/2: {attributes: {service.name: a, deployment.environment.name: staging}}
  b/1: {profiles: [cpu, wall], max_hz: 50, attributes: {service.name: b}}
  host: {attributes: {host.name: worker-1}}
"""


def results(tests: str, *, limits: Limits | None = None, rules: str = RULES) -> Sequence[Result]:
    """Run tests, which are the YAML below `tests:`."""
    text = f"rules: rules.yaml{AGENTS}tests:\n{tests}"
    located = read_tests(text, "t.yaml")
    rule_set = read_rules(rules, "rules.yaml").document.sampling.rule_set()
    return list(run_tests(located, [], rule_set, limits or Limits()))


def problems(tests: str, *, limits: Limits | None = None, rules: str = RULES) -> list[str]:
    """What came otherwise than expected, without the places."""
    found = results(tests, limits=limits, rules=rules)
    return [problem.message for result in found for problem in result.problems]
