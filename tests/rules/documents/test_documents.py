"""Rule documents: what loads, and that every fault is found, located and explained at once."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from upshift_agent.contract import Baseline
from upshift_rules.documents.advice import advise
from upshift_rules.documents.document import RuleDocument, read_rules
from upshift_rules.documents.located import DocumentError, Located, Problem, Section, read_located
from upshift_rules.documents.schema import schema
from upshift_rules.model import Labels, Rule, RuleSet

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
BAD = sorted((HERE / "bad").glob("*.yaml"))
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


def rules_of(text: str) -> RuleSet:
    return read_rules(text, "sampling.yaml").document.sampling.rule_set()


def faults_of(text: str | bytes) -> str:
    with pytest.raises(DocumentError) as caught:
        read_rules(text, "sampling.yaml")
    return str(caught.value)


def problems_of(text: str | bytes) -> tuple[Problem, ...]:
    """The faults of any text, or the advice where it has none."""
    try:
        located = read_rules(text, "fuzz.yaml")
    except DocumentError as error:
        return error.problems
    located.document.sampling.rule_set()
    return advise(located)


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
    assert (ROOT / "rules/examples/sampling.yaml").read_text() == USERS
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
          max_frequency: 199
          labels: {service: [svc]}
        """
    )
    assert rules == RuleSet(
        baseline=Baseline(0, {"production": 19, "no": 49, "2024": 99}),
        labels=Labels(service=("svc",)),
        max_frequency_hz=199,
    )


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


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_mistake_gets_its_message(file: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        read_rules(file.read_bytes(), file.name)
    assert f"{caught.value}\n" == file.with_suffix(".expected").read_text()


def test_every_fault_comes_at_once_in_the_order_of_the_file() -> None:
    faults = (HERE / "bad" / "many_at_once.expected").read_text().splitlines()
    lines = [int(fault.split(":")[1]) for fault in faults]
    assert len(faults) == 9
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"[" * 100_000, "nested more than 32 deep"),
        (b"{a: " * 100_000, "nested more than 32 deep"),
        (b"- " * 100_000, "nested more than 32 deep"),
        (b"sampling: [" + b"1," * 400_000 + b"]", "more than 20,000 values"),
        (b"#" * (1024 * 1024 + 1), "the file has 1,048,577 bytes, at most 1,048,576 are read"),
        (
            b"a: &a [x, x, x, x, x, x, x, x, x]\n"
            + b"".join(
                b"%c: &%c [%s]\n" % (this, this, b", ".join([b"*%c" % (this - 1)] * 9))
                for this in range(ord("b"), ord("j"))
            ),
            "more than 20,000 values",
        ),
    ],
    ids=["brackets", "braces", "dashes", "values", "bytes", "alias bomb"],
)
def test_a_hostile_file_is_refused_and_soon(text: bytes, fault: str) -> None:
    assert fault in faults_of(text)


#: Text that is nearly a document, so that every branch of the reader is met.
scalars = st.sampled_from(
    ["19", "100", "-1", "1e9", ".nan", "10m", "1:30", "yes", "true", "null", "~", "", '"', "'",
     "{}", "[]", "[1]", "{a: 1}", "*a", "&a 5", "!!int x", "!!set {a}", "\t", "\x00", "\ud800",
     "é", '{"a\\nb": 999, "": 5}', "production", "<<", "high_cpu",
     'a="b"', "9" * 40, "service", '"\\ud800"']
)  # fmt: skip  # one a line would fill the screen
keys = st.sampled_from(
    ["sampling", "default", "environments", "on_alert", "- trigger", "frequency", "duration",
     "max_duration", "match", "where", "fraction", "labels", "service", "max_frequency", "name",
     "fallback_strategy", "- method", "priority", "scope", "<<", "? x", "-"]
)  # fmt: skip  # one a line would fill the screen
lines = st.builds(
    lambda depth, key, value: f"{'  ' * depth}{key}: {value}", st.integers(0, 4), keys, scalars
)


@settings(max_examples=300)
@given(st.lists(lines, max_size=12).map("\n".join) | st.text(max_size=60) | st.binary(max_size=60))
def test_no_text_crashes_the_reader_and_every_fault_is_located(text: str | bytes) -> None:
    for problem in problems_of(text):
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message
        assert "\n" not in problem.message


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["10m", "high_cpu", "service", 'a="b"', 19, 99])
)  # fmt: skip  # reads better as one sum
fields = st.sampled_from(
    [*RuleDocument.model_json_schema()["$defs"]["RuleEntry"]["properties"], "typo"]
)
entries = st.dictionaries(fields, leaves | st.lists(leaves, max_size=3), max_size=8)


@settings(max_examples=200)
@given(st.lists(entries | leaves, max_size=4), st.dictionaries(st.text(max_size=5), leaves))
def test_no_rule_crashes_the_reader(rules: list[object], environments: dict[str, object]) -> None:
    document = {"sampling": {"on_alert": rules, "environments": environments}}
    text = yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace")
    assert all(problem.line > 0 for problem in problems_of(text))


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


def test_the_reference_names_every_field() -> None:
    reference = (ROOT / "rules" / "README.md").read_text(encoding="utf-8")
    for name, model in schema()["$defs"].items():
        for field in model["properties"]:
            assert f"`{field}`" in reference, f"{name}.{field}"


def test_advice_is_given_on_rules_beside_other_settings() -> None:
    (advice,) = advise(read_located(USERS, "upshift.yaml", ServerDocument))
    assert str(advice).startswith("upshift.yaml:6:18: 100 Hz")
