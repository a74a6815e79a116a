"""Each example of rules has rule tests, and passes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from upshift_controller.configuration import load
from upshift_controller.sources.virtual_time import SOURCES
from upshift_rules.trials.agents import read_agents
from upshift_rules.trials.document import read_tests
from upshift_rules.trials.testing import run_tests

EXAMPLES = Path(__file__).parents[3] / "rules" / "examples"
AGENTS = EXAMPLES / "tests" / "agents.yaml"
TESTS = sorted(it for it in (EXAMPLES / "tests").glob("*.yaml") if it != AGENTS)


def test_every_example_has_tests() -> None:
    assert {it.name for it in TESTS} == {it.name for it in EXAMPLES.glob("*.yaml")}


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_an_example_passes_its_tests(file: Path) -> None:
    located = read_tests(file.read_bytes(), file.name)
    members = read_agents(AGENTS.read_bytes(), AGENTS.name).document.members()
    configuration = load(file.parent / located.document.rules)
    results = list(run_tests(located, members, configuration.rules, configuration.limits, SOURCES))
    assert results
    assert [str(it) for result in results for it in result.problems] == []


def test_the_test_that_the_readme_shows_passes() -> None:
    page = (EXAMPLES.parent / "README.md").read_text()
    (shown,) = re.findall(r"```yaml\n(rules: .*?)```", page, re.DOTALL)
    located = read_tests(shown, "README.md")
    configuration = load(EXAMPLES / located.document.rules)
    (result,) = run_tests(located, [], configuration.rules, configuration.limits, SOURCES)
    assert [str(it) for it in result.problems] == []
