"""How Prometheus' answers to guards are read, also to several that are asked as one. Pure.

What values come to is `answer_of`'s: true where one is neither 0 nor NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from upshift_rules.guards.answer import Answer, answer_of, unknown

from ...errors import BadQuery, NoAnswer

#: The label that tells apart what several queries return together.
LABEL = "upshift_guard"
NO_PROMETHEUS = "what answers is no Prometheus"


def read_answer(result: object) -> Answer:
    """Read `data.result` of an instant query. Raise `BadQuery` where its kind is no answer to a
    guard, `NoAnswer` for what no Prometheus says."""
    if not isinstance(result, list):
        raise NoAnswer(NO_PROMETHEUS)
    if len(result) == 2 and isinstance(result[1], str):  # of a scalar, or of a text
        return answer_of([_number(result)])
    return answer_of([_value(series) for series in result])


def together(queries: Sequence[str]) -> str:
    """Return one query that returns what several do, each series labelled with whose it is."""
    # On lines of their own, since a query may end in a comment.
    return " or ".join(
        f'label_replace((\n{query}\n), "{LABEL}", "{number}", "", "")'
        for number, query in enumerate(queries)
    )


def read_answers(result: object, count: int) -> list[Answer]:
    """Read what `together` of so many queries returns. Raise `NoAnswer` as above."""
    if not isinstance(result, list):
        raise NoAnswer(NO_PROMETHEUS)
    rows: dict[str, list[object]] = {str(number): [] for number in range(count)}
    for series in result:
        metric = series.get("metric") if isinstance(series, dict) else None
        whose = metric.get(LABEL) if isinstance(metric, dict) else None
        if not isinstance(whose, str) or whose not in rows:
            raise NoAnswer(NO_PROMETHEUS)
        rows[whose].append(series)
    answers = []
    for several in rows.values():
        try:
            answers.append(read_answer(several))
        except BadQuery as error:
            answers.append(unknown(str(error), bad=True))
    return answers


def _value(series: object) -> float:
    if not isinstance(series, Mapping):
        raise NoAnswer(NO_PROMETHEUS)
    if "value" in series:
        return _number(series["value"])
    if "values" in series or "histograms" in series:
        raise BadQuery("it returns a range of values; a guard needs one of each series")
    if "histogram" in series:
        raise BadQuery("it returns a histogram; a guard needs a number")
    raise NoAnswer(NO_PROMETHEUS)


def _number(sample: object) -> float:
    if not (isinstance(sample, list) and len(sample) == 2 and isinstance(sample[1], str)):
        raise NoAnswer(NO_PROMETHEUS)
    try:
        return float(sample[1])
    except ValueError as error:
        raise BadQuery("it returns a text; a guard needs a number") from error
