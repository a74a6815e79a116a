"""`upshift test`: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.command import Run

EXAMPLES = Path(__file__).parents[3] / "rules" / "examples"
RULES = "sampling: {on_alert: [{trigger: high_cpu, frequency: 99, duration: 10m}]}\n"
TEST = """
rules: rules.yaml
agents: {a: {attributes: {service.name: a}}}
tests:
  - name: a boost lasts ten minutes
    alerts: [{alert: 'HighCPU{service="a"}'}]
    expect: [{at: 9m, hz: {a: %s}}]
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path


def test_tests_that_pass_are_named_and_counted(offline: Run, rules: Path) -> None:
    (file := rules / "test.yaml").write_text(TEST % 99)
    ended = offline("test", str(file))
    assert ended.code == 0
    assert ended.out == f"{file}\n  ✓ a boost lasts ten minutes\n1 test passed\n"


def test_a_test_that_fails_says_where_and_what_happened_instead(offline: Run, rules: Path) -> None:
    (file := rules / "test.yaml").write_text(TEST % 49)
    ended = offline("test", str(file))
    assert ended.code == 1
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert lines[1:] == [
        "✗ a boost lasts ten minutes",
        f"{file}:7:31: at 9m a should run at 49 Hz, and runs at 99 Hz",
        "AT WHAT HAPPENED WHY",
        '0s HighCPU{service="a"} fires service/a granted: 99 Hz for 10m',
        "no tests passed, 1 failed",
    ]


def test_files_that_cannot_be_read_leave_the_others_alone(offline: Run, rules: Path) -> None:
    good, bad, worse = (rules / f"{name}.yaml" for name in ("good", "bad", "worse"))
    good.write_text(TEST % 99)
    bad.write_text("rulez: a\ntests: []\n")
    worse.write_text(TEST.replace("rules.yaml", "nowhere.yaml") % 99)
    ended = offline("test", *map(str, (bad, worse, good)))
    assert ended.code == 1
    assert f"  {bad}:2:8: tests must not be empty\n" in ended.out
    assert f"  {worse}:2:8: rules names {rules}/nowhere.yaml, which cannot be read:" in ended.out
    assert ended.out.endswith("1 test passed, 2 files could not be read\n")


def test_an_agent_has_one_name_in_both_files(offline: Run, rules: Path) -> None:
    (rules / "agents.yaml").write_text("agents: {a: {attributes: {service.name: b}}}\n")
    text = TEST.replace("agents:", "agents_from: agents.yaml\nagents:") % 99
    (file := rules / "test.yaml").write_text(text)
    ended = offline("test", str(file))
    assert ended.code == 1
    assert f'{file}:4:10: agent "a" is in agents_from too; give it another name' in ended.out


def test_faults_of_the_rules_are_those_that_check_would_tell(offline: Run, rules: Path) -> None:
    (rules / "rules.yaml").write_text(RULES.replace("99", "fast"))
    (file := rules / "test.yaml").write_text(TEST % 99)
    ended = offline("test", str(file))
    assert ended.code == 1
    assert f"{rules}/rules.yaml:1:54: frequency must be 1–1000 Hz" in ended.out


def test_names_obey_no_terminal(offline: Run, rules: Path) -> None:
    alert = r'"HighCPU{service=\"\u009b[bold]\"}"'
    evil = TEST.replace("'HighCPU{service=\"a\"}'", alert)
    (file := rules / "test.yaml").write_text(evil % 99)
    ended = offline("test", str(file))
    assert ended.code == 1
    assert r'HighCPU{service="\u009b[bold]"} fires' in ended.out
    assert "\x9b" not in ended.out


def test_the_examples_pass_by_the_command_that_the_readme_names(offline: Run) -> None:
    files = [it for it in (EXAMPLES / "tests").glob("*.yaml") if it.name != "agents.yaml"]
    ended = offline("test", *map(str, files))
    assert ended.code == 0
    assert ended.out.endswith(" tests passed\n")


def test_the_schema_of_rule_tests_is_for_editors(offline: Run) -> None:
    document = offline("test", "--schema").json
    assert document["title"] if "title" in document else document["description"]
    assert set(document["properties"]) == {"agents", "rules", "agents_from", "tests"}
    assert json.dumps(document).count("additionalProperties") >= 5


def test_without_a_file_it_asks_for_one(offline: Run) -> None:
    ended = offline("test")
    assert ended.code == 2
    assert "which file? Give one or more" in ended.err
