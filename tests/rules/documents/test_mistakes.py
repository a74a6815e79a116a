"""Mistakes in rule documents: all found at once, located and explained; none crashes the reader."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.documents.read import HERE, faults_of, problems_of
from upshift_rules.documents.document import RuleDocument, read_rules
from upshift_rules.documents.located import DocumentError

BAD = sorted((HERE / "bad").glob("*.yaml"))


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
     'a="b"', "9" * 40, "service", '"\\ud800"', "wall", "[cpu, wall]", "[{}, [heap]]"]
)  # fmt: skip  # one a line would fill the screen
keys = st.sampled_from(
    ["sampling", "default", "environments", "on_alert", "- trigger", "frequency", "duration",
     "max_duration", "match", "where", "fraction", "labels", "service", "max_frequency", "name",
     "fallback_strategy", "- method", "priority", "scope", "profile", "profiles", "wall", "<<",
     "? x", "-"]
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
    | st.sampled_from(["10m", "high_cpu", "service", 'a="b"', 19, 99, "heap"])
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
