"""What rule documents say arrives, beside other settings as well, and the schema describes it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rules.documents.read import ROOT, rules_of
from upshift_agent.contract import PROFILES, Baseline
from upshift_rules.documents.advice import advise
from upshift_rules.documents.document import RuleDocument, read_rules
from upshift_rules.documents.located import DocumentError, Located, Section, read_located
from upshift_rules.documents.schema import schema
from upshift_rules.model import Labels, Rule, RuleSet

EXAMPLES = sorted((ROOT / "rules" / "examples").glob("*.yaml"))

USERS = """\
sampling:
  default: 19

  on_alert:
    - trigger: high_cpu
      frequency: 100
      duration: 10m

    - trigger: high_latency
      frequency: 49
      duration: 15m
"""

MINUTE = 60_000


def test_the_users_block_loads_verbatim() -> None:
    assert rules_of(USERS) == RuleSet(
        baseline=Baseline(19),
        rules=(
            Rule(
                name="high_cpu",
                trigger="high_cpu",
                frequency_hz=100,
                duration_ms=10 * MINUTE,
                max_duration_ms=40 * MINUTE,
            ),
            Rule(
                name="high_latency",
                trigger="high_latency",
                frequency_hz=49,
                duration_ms=15 * MINUTE,
                max_duration_ms=60 * MINUTE,
            ),
        ),
    )


def test_the_users_block_is_the_first_example_and_the_built_in_default() -> None:
    example = (ROOT / "rules/examples/sampling.yaml").read_text()
    assert example.startswith(f"{USERS}\n# What it would do to a fleet"), "below it, comments"
    default = (ROOT / "rules/upshift_rules/documents/default.yaml").read_text()
    assert rules_of(default) == rules_of(USERS)


def test_the_users_fallback_strategy_loads_verbatim() -> None:
    text = (ROOT / "rules/examples/fallback_strategy.yaml").read_text()
    entries = read_rules(text, "fallback.yaml").document.fallback_strategy
    methods = [(entry.method, entry.priority) for entry in entries]
    assert methods == [("ebpf", 1), ("push", 2), ("pull", 3)]


def test_every_field_of_a_rule_arrives() -> None:
    (rule,) = rules_of(
        """
        sampling:
          on_alert:
            - trigger: high_cpu
              name: page_only
              frequency: 99
              duration: 10m
              max_duration: 1h
              match: ['severity="page"', '{team!="research", tier=~"1|2"}']
              profile: [wall]
              target: node
              scope: instance
              where: {deployment.environment: production, cloud.zone: [a, b]}
              on_resolved: revert
              while_firing: true
              cooldown: 30m
              fraction: 0.5
        """
    ).rules
    assert [it.text for it in rule.match] == ['severity="page"', 'team!="research"', 'tier=~"1|2"']
    assert rule == Rule(
        name="page_only",
        trigger="high_cpu",
        frequency_hz=99,
        duration_ms=10 * MINUTE,
        max_duration_ms=60 * MINUTE,
        match=rule.match,
        profile="wall",
        target="node",
        scope="instance",
        where={"deployment.environment.name": "production", "cloud.zone": ("a", "b")},
        on_resolved="revert",
        while_firing=True,
        cooldown_ms=30 * MINUTE,
        fraction=0.5,
    )


def test_the_rest_of_the_sampling_section_arrives() -> None:
    rules = rules_of(
        """
        sampling:
          default: 0
          environments: {production: 19, no: 49, 2024: 99}
          profiles: {wall: 9, heap: 0}
          max_frequency: 199
          labels: {service: [svc]}
        """
    )
    assert rules == RuleSet(
        baseline=Baseline(0, {"production": 19, "no": 49, "2024": 99}, {"wall": 9, "heap": 0}),
        labels=Labels(service=("svc",)),
        max_frequency_hz=199,
    )


@pytest.mark.parametrize("said", ["cpu", "[cpu]"])
def test_to_say_cpu_says_nothing_new(said: str) -> None:
    plain = USERS.split("\n    - trigger: high_latency")[0] + "\n"
    assert rules_of(f"{plain}      profile: {said}\n") == rules_of(plain)


def test_a_list_of_profiles_makes_a_rule_for_each_which_share_all_else() -> None:
    text = USERS.replace("100\n", "100\n      profile: [wall, cpu, heap]\n")
    wall, cpu, heap, latency = rules_of(text).rules
    assert (cpu, latency) == rules_of(USERS).rules
    assert (wall, heap) == (replace(cpu, profile="wall"), replace(cpu, profile="heap"))
    keys = ["high_cpu:wall", "high_cpu", "high_cpu:heap", "high_latency"]
    assert [rule.key for rule in rules_of(text).rules] == keys


def test_max_duration_is_four_times_the_duration_and_at_most_a_day() -> None:
    rules = rules_of(USERS.replace("10m", "7h"))
    assert rules.rules[0].max_duration_ms == 24 * 60 * MINUTE


def test_a_node_is_boosted_whatever_environment_its_alert_names() -> None:
    rule = "sampling: {on_alert: [{trigger: a, frequency: 9, duration: 1m, target: node%s}]}"
    assert rules_of(rule % "").rules[0].scope == "target"
    assert rules_of(rule % ", scope: environment").rules[0].scope == "environment"


def test_an_empty_file_is_an_empty_document() -> None:
    for text in ("", "# nothing yet\n", "---\n"):
        assert read_rules(text, "sampling.yaml").document == RuleDocument()


def test_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    assert rules_of("\ufeff" + USERS.replace("\n", "\r\n")) == rules_of(USERS)


def test_aliases_are_read() -> None:
    rules = rules_of("sampling:\n  default: &low 19\n  environments: {production: *low}\n")
    assert rules.baseline.environments == {"production": 19}


class Server(Section):
    port: int = 9095


class ServerDocument(RuleDocument):
    """As the controller's settings do: other sections beside the rules."""

    server: Server = Server()


def test_rules_may_stand_beside_other_settings() -> None:
    located = read_located(USERS + "server: {port: 1}\n", "upshift.yaml", ServerDocument)
    assert located.document.server.port == 1
    assert located.document.sampling.rule_set() == rules_of(USERS)


def test_faults_beside_other_settings_are_found_as_well() -> None:
    text = USERS.replace("19", "190") + "  max_frequency: 100\nserver: {prot: 1}\n"
    with pytest.raises(DocumentError) as caught:
        read_located(text, "upshift.yaml", ServerDocument)
    assert str(caught.value).splitlines() == [
        "upshift.yaml:2:12: default must be at most max_frequency, 100 Hz, got 190",
        'upshift.yaml:13:10: unknown field "prot"; did you mean "port"?',
    ]


def test_a_value_that_is_not_in_the_file_is_located_at_what_encloses_it() -> None:
    located: Located[RuleDocument] = read_rules(USERS, "sampling.yaml")
    path = ("sampling", "on_alert", 1, "cooldown")
    assert str(located.source.problem(path, "x")) == "sampling.yaml:9:7: x"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_loads_and_gets_only_the_advice_it_is_known_for(file: Path) -> None:
    known = {"sampling": ["6:18"], "fallback_strategy": ["2:3"], "while_firing": ["9:21"]}
    advice = advise(read_rules(file.read_bytes(), file.name))
    assert [f"{it.line}:{it.column}" for it in advice] == known.get(file.stem, [])


def test_the_schema_describes_every_field() -> None:
    described = schema()
    models = {"RuleDocument": described, **described["$defs"]}
    for name, model in models.items():
        for field, about in model["properties"].items():
            assert about.get("description"), f"{name}.{field}"
        assert model["additionalProperties"] is False
    json.dumps(described)


def test_the_schema_gives_the_ranges_that_the_reader_holds_to() -> None:
    rule = schema()["$defs"]["RuleEntry"]["properties"]
    assert (rule["frequency"]["minimum"], rule["frequency"]["maximum"]) == (1, 1000)
    assert rule["cooldown"]["default"] == "0s"
    assert "default" not in rule["max_duration"]
    one, several = rule["profile"]["anyOf"]
    assert one == several["items"] == {"enum": [*PROFILES]}
    assert (rule["profile"]["default"], several["uniqueItems"]) == ("cpu", True)
    resting = schema()["$defs"]["Sampling"]["properties"]["profiles"]
    assert resting["propertyNames"] == {"enum": [*PROFILES[1:]]}


def test_the_reference_names_every_field() -> None:
    reference = (ROOT / "rules" / "README.md").read_text(encoding="utf-8")
    for name, model in schema()["$defs"].items():
        for field in model["properties"]:
            assert f"`{field}`" in reference, f"{name}.{field}"


def test_advice_is_given_on_rules_beside_other_settings() -> None:
    (advice,) = advise(read_located(USERS, "upshift.yaml", ServerDocument))
    assert str(advice).startswith("upshift.yaml:6:18: 100 Hz")
