"""`upshift check`: files are read as the controller reads them, without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.command import Run

EXAMPLES = sorted((Path(__file__).parents[3] / "rules" / "examples").glob("*.yaml"))
BAD = """\
sampling:
  defalt: 19
  on_alert:
    - {trigger: high_cpu, frequency: fast, duration: 10m}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "upshift.yaml"


def test_good_files_are_good(offline: Run) -> None:
    ended = offline("check", *map(str, EXAMPLES))
    assert (ended.code, ended.err) == (0, "")
    assert all(f"{file}: " in ended.out for file in EXAMPLES)


def test_every_error_has_its_place_and_the_exit_code_is_1(offline: Run, file: Path) -> None:
    file.write_text(BAD)
    ended = offline("check", str(file))
    assert ended.code == 1
    assert ended.out.splitlines() == [
        f'{file}:2:3: unknown field "defalt"; did you mean "default"?',
        f'{file}:4:38: frequency must be 1–1000 Hz, got "fast"',
    ]


def test_one_bad_file_does_not_hide_the_others(offline: Run, file: Path, tmp_path: Path) -> None:
    file.write_text(BAD)
    good = tmp_path / "good.yaml"
    good.write_text(EXAMPLES[0].read_text())
    ended = offline("check", str(file), str(good))
    assert ended.code == 1
    assert f"{good}: " in ended.out


def test_a_warning_is_no_error(offline: Run, file: Path) -> None:
    file.write_text("sampling: {default: 100}\n")
    ended = offline("check", str(file))
    assert ended.code == 0
    assert f"{file}:1:21: warning: 100 Hz samples every 10 ms" in ended.out
    assert f"{file}: no rules, 2 warnings" in ended.out


def test_upshift_yaml_is_read_with_its_settings(offline: Run, file: Path) -> None:
    file.write_text("listen: 127.0.0.1:9095\nhistory_length: none\n")
    ended = offline("check", str(file))
    assert ended.code == 1
    assert ended.out.startswith(f'{file}:2:17: history_length must be a whole number, got "none"')


def test_rules_in_two_places_are_an_error_before_the_controller_starts(
    offline: Run, file: Path
) -> None:
    file.write_text("rules: other.yaml\nsampling: {default: 19}\n")
    ended = offline("check", str(file))
    assert ended.code == 1
    assert ended.out == f"{file}:1:8: give either sampling or rules, not both\n"


def test_the_schema_is_one_json_document_for_both_kinds_of_file(offline: Run) -> None:
    schema = offline("check", "--schema").json
    assert {"sampling", "listen", "tokens"} <= schema["properties"].keys()


@pytest.mark.parametrize("arguments", [(), ("no-such-file.yaml",), ("/",)])
def test_without_a_file_that_can_be_read_it_is_misused(
    offline: Run, arguments: tuple[str, ...]
) -> None:
    ended = offline("check", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "FILE" in ended.err


def test_rules_in_a_file_of_their_own_are_read_there_and_advised_on(
    offline: Run, file: Path
) -> None:
    file.write_text("rules: rules.yaml\n")
    rules = file.with_name("rules.yaml")
    rules.write_text(
        "sampling:\n  on_alert:\n"
        "    - {trigger: page, match: ['severity=\"page\"'], frequency: 99, duration: 10m}\n"
    )
    ended = offline("check", str(file))
    assert (ended.code, ended.err) == (0, "")
    warned, counted, _ = ended.out.splitlines()
    assert warned.startswith(f'{rules}:3:30: warning: with match, trigger "page" is only a name')
    assert counted == f"{file}: 1 rule from {rules}, 1 warning"


def test_a_file_that_says_nothing_of_rules_is_told_which_are_in_force(
    offline: Run, file: Path
) -> None:
    file.write_text("namespace: other\n")
    rules, _ = offline("check", str(file)).out.splitlines()
    assert rules == f"{file}: 2 rules from the built-in default, no warnings"


def test_the_limits_in_force_are_told_and_which_of_them_nobody_has_set(
    offline: Run, file: Path
) -> None:
    file.write_text("namespace: other\n")
    assert offline("check", str(file)).out.splitlines()[-1] == (
        f"{file}: limits: max_frequency 200 Hz unless upshift.yaml sets another, "
        "max_boosted_agents a third of the live agents, at least 10, unless upshift.yaml sets "
        "another"
    )
    file.write_text("limits: {max_frequency: 99, max_boosted_agents: 50}\nsampling: {}\n")
    assert offline("check", str(file)).out.splitlines()[-1] == (
        f"{file}: limits: max_frequency 99 Hz, max_boosted_agents 50"
    )


def test_limits_that_are_lifted_are_warned_of(offline: Run, file: Path) -> None:
    file.write_text("limits:\n  max_frequency: 500\n  max_boosted_agents: unlimited\n")
    ended = offline("check", str(file))
    assert ended.code == 0
    frequency, agents, counted, _ = ended.out.splitlines()
    assert frequency.startswith(f"{file}:2:18: warning: max_frequency lifts the default of 200 Hz")
    assert agents.startswith(f"{file}:3:23: warning: max_boosted_agents lifts the default, a third")
    assert counted.endswith("2 warnings")


def test_a_rule_above_the_default_limit_is_refused_and_says_how_to_lift_it(
    offline: Run, file: Path
) -> None:
    rules = "sampling:\n  on_alert: [{trigger: a, frequency: 300, duration: 1m}]\n"
    file.write_text(rules)
    ended = offline("check", str(file))
    assert (ended.code, ended.out) == (
        1,
        f"{file}:2:38: frequency must be at most limits.max_frequency, 200 Hz unless upshift.yaml "
        "sets another, got 300\n",
    )
    file.write_text(rules + "limits: {max_frequency: 300}\n")
    assert offline("check", str(file)).code == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("redis: localhost:6379\n", "redis must be a URL that can be used"),
        ("rules: gone.yaml\n", "cannot read "),
        ("secret_file: gone\n", "cannot read "),
        ("tokens: [{name: a, role: viewer, file: gone}]\n", "cannot read "),
        ("tls: {certificate: gone, key: gone}\n", "gone"),
        ("listen: 0.0.0.0:9095\n", "0.0.0.0:9095 can be reached by others, and no tokens are set"),
        ("listen: nowhere\n", "listen must be HOST:PORT"),
        (
            "tokens:\n- {name: a, role: viewer, file: a}\n- {name: a, role: operator, file: b}\n",
            'name "a" is taken by a token above',
        ),
        ("rules: empty.yaml\n", "says nothing"),
    ],
)
def test_whatever_serve_refuses_is_refused_in_the_same_words(
    offline: Run, file: Path, text: str, says: str
) -> None:
    file.write_text(text)
    file.with_name("empty.yaml").write_text("")
    checked = offline("check", str(file))
    served = offline("serve", "--config", str(file))
    assert (checked.code, served.code) == (1, 1)
    assert says in checked.out
    words = checked.out.strip().removeprefix(f"{file}: ")
    assert words in " ".join(served.err.split())
