"""Rule documents as tests read them."""

from pathlib import Path

import pytest

from upshift_rules.documents.advice import advise
from upshift_rules.documents.document import read_rules
from upshift_rules.documents.located import DocumentError, Problem
from upshift_rules.model import RuleSet

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


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
