"""How answers to guards are read."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_controller.errors import BadQuery, NoAnswer
from upshift_controller.sources.prometheus.answers import (
    LABEL,
    read_answer,
    read_answers,
    together,
)


def vector(*values: object) -> list[dict[str, Any]]:
    return [{"metric": {"a": f"{at}"}, "value": [1.5, f"{it}"]} for at, it in enumerate(values)]


@pytest.mark.parametrize(
    ("result", "true", "said"),
    [
        ([], False, "is false: it returns nothing"),
        (vector(0), False, "is false: 0"),
        (vector("-0"), False, "is false: -0"),
        (vector("NaN"), False, "is false: NaN"),
        (vector(0, "NaN"), False, "is false: 0, of 2 series"),
        (vector(1), True, "is true: 1"),
        (vector(-0.25), True, "is true: -0.25"),
        (vector("+Inf"), True, "is true: inf"),
        (vector(0, 3, "NaN", 2), True, "is true: 3, of 4 series"),
        ([1.5, "0.83"], True, "is true: 0.83"),
        ([1.5, "0"], False, "is false: 0"),
    ],
)
def test_an_answer_is_true_where_something_is_neither_0_nor_nan(
    result: Any, true: bool, said: str
) -> None:
    assert read_answer(result)[:2] == (true, said)


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ([1.5, "up"], "a text"),
        ([{"metric": {}, "values": [[1.5, "1"]]}], "a range"),
        ([{"metric": {}, "histogram": [1.5, {}]}], "a histogram"),
    ],
)
def test_what_is_no_answer_to_a_guard_is_the_querys_fault(result: Any, why: str) -> None:
    with pytest.raises(BadQuery, match=why):
        read_answer(result)


@pytest.mark.parametrize(
    "result",
    [None, {}, "up", 1, [1], ["1"], [None, None], [{"metric": {}}], [{"value": 1}],
     [{"value": [1]}], [{"value": [1, 2]}], [[1.5, "1"]]],
)  # fmt: skip  # one a line would fill the screen
def test_what_no_prometheus_says_is_no_answer(result: Any) -> None:
    with pytest.raises(NoAnswer) as refused:
        read_answer(result)
    assert not isinstance(refused.value, BadQuery)


numbers = st.floats().map(lambda it: "NaN" if math.isnan(it) else f"{it}")


@given(st.lists(st.lists(numbers, max_size=4), max_size=6))
def test_what_several_return_together_is_what_each_returns(several: list[list[str]]) -> None:
    rows = [
        {"metric": row["metric"] | {LABEL: str(at)}, "value": row["value"]}
        for at, values in enumerate(several)
        for row in vector(*values)
    ]
    assert read_answers(rows, len(several)) == [read_answer(vector(*it)) for it in several]


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["metric", "value", "values", "histogram", LABEL]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(anything)
def test_nothing_crashes_the_reader(result: object) -> None:
    for read in (read_answer, lambda it: read_answers(it, 2)):
        try:
            read(result)
        except NoAnswer as error:
            assert str(error)  # noqa: PT017  # either is right, and nothing else


def test_a_comment_at_the_end_of_a_query_takes_nothing_of_the_next_one_away() -> None:
    assert '# all of it\n), "' in together(["up # all of it", "up"])
