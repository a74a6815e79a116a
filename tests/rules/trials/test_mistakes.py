"""Mistakes in rule tests: all found at once, located and explained; none crashes the reader."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.trials.read import HERE
from upshift_rules.documents.located import DocumentError, Problem
from upshift_rules.trials.document import RuleTestsDocument, read_tests
from upshift_rules.trials.notation import labels_of, written

BAD = sorted((HERE / "bad").glob("*.yaml"))


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_mistake_gets_its_message(file: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        read_tests(file.read_bytes(), file.name)
    assert f"{caught.value}\n" == file.with_suffix(".expected").read_text()


labels = st.dictionaries(st.sampled_from(["service", "env", "a"]), st.text(max_size=20))


@given(st.sampled_from(["HighCPU", "a:b_c"]), labels)
def test_an_alert_is_read_as_it_is_written(name: str, others: dict[str, str]) -> None:
    plain = {key: it.encode("utf-8", "replace").decode() for key, it in others.items()}
    printable = {key: it for key, it in plain.items() if it.isprintable()}
    assert labels_of(written({"alertname": name, **printable})) == {"alertname": name, **printable}


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["10m", "HighCPU{a=\"b\"}", "granted", "service/a", 19])
)  # fmt: skip  # reads better as one sum
names = sorted(
    {
        name
        for part in RuleTestsDocument.model_json_schema()["$defs"].values()
        for name in part.get("properties", {})
    }
)
trees = st.recursive(
    leaves,
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(names), below, max_size=4)
    ),
    max_leaves=12,
)


def faults_of(text: bytes) -> Sequence[Problem]:
    try:
        read_tests(text, "fuzz.yaml")
    except DocumentError as error:
        return error.problems
    return ()


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(["rules", "agents", "agents_from", "tests"]), trees))
def test_no_document_crashes_the_reader(document: dict[str, object]) -> None:
    text = yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace")
    assert all(problem.line > 0 for problem in faults_of(text))
