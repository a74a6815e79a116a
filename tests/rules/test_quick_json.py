"""The quick JSON is the contract's JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.strategies import plans_of
from upshift_agent import contract
from upshift_rules import quick_json

texts = st.text(st.characters(exclude_categories=()))  # lone surrogates, too


def documents_of(numbers: st.SearchStrategy[int | float]) -> st.SearchStrategy[object]:
    return st.recursive(
        st.none() | st.booleans() | numbers | texts,
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    )


documents = documents_of(st.integers())
#: Larger ones are read as floats: nothing of ours is one.
in_64_bits = documents_of(
    st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)


@given(documents)
def test_it_writes_what_the_contract_writes(document: object) -> None:
    assert quick_json.dump(document) == contract.dump(document)


@given(plans_of("service/checkout"), st.none() | st.just(b"secret"))
def test_a_plan_says_the_same(plan: contract.Plan, secret: bytes | None) -> None:
    secrets = [secret] if secret else []
    quick = contract.encode_plan(plan, secret, quick_json.dump)
    assert contract.decode_plan(quick, secrets) == contract.decode_plan(
        contract.encode_plan(plan, secret), secrets
    )


@given(in_64_bits)
def test_it_reads_what_the_standard_library_reads(document: object) -> None:
    clean = json.loads(contract.dump(document))  # half surrogates are "?" in it
    assert quick_json.loads(json.dumps(document)) == clean


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":}', b"\xff", b"nul"])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|utf-8|codec"):
        quick_json.loads(text)
