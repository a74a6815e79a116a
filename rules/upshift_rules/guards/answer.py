"""What is asked on behalf of one claim, and what Prometheus says to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from .query import Query, Unfilled, fill

#: What becomes of a boost whose `only_if` has no answer.
IfUnknown = Literal["grant", "refuse"]


class Answer(NamedTuple):
    """What is known of a guard. true: None where it is unknown. said: the end of a sentence that
    begins with the guard's name, such as `is true: 0.83`. bad: unknown because of the query."""

    true: bool | None
    said: str
    bad: bool = False


class Guards(NamedTuple):
    """A rule's guards about one trigger, filled in; empty is none. answer: to `only_if`; None where
    it is still to be asked. note: the end of a sentence, about a `stop_if` that cannot be asked."""

    only_if: str = ""
    stop_if: str = ""
    answer: Answer | None = None
    note: str = ""


def unknown(why: str, *, bad: bool = False) -> Answer:
    return Answer(None, f"is unknown: {why}", bad)


def answer_of(values: Sequence[float]) -> Answer:
    """Return what a query says by the values of its series. NaN is no: it is what a ratio without
    events comes to, and a comparison in PromQL drops it likewise."""
    if not values:
        return Answer(False, "is false: it returns nothing")
    of = f", of {len(values)} series" if len(values) > 1 else ""
    true = [value for value in values if value and not math.isnan(value)]
    if true:
        return Answer(True, f"is true: {_shown(max(true, key=abs))}{of}")
    return Answer(False, f"is false: {_shown(values[0])}{of}")


def _shown(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.4g}"


#: A boost ends when its `stop_if` was true so many times in a row.
ENOUGH = 2


def counted(
    counts: Mapping[str, int], answers: Mapping[str, bool | None]
) -> tuple[dict[str, int], list[str]]:
    """Return how often each lease's guard was true in a row by now, and the leases to end.

    answers: what was asked now; an answer that is unknown ends the row, as one that is false does.
    Leases that were not asked about are forgotten.
    """
    now = {lease: counts.get(lease, 0) + 1 for lease, true in answers.items() if true}
    return now, [lease for lease, count in now.items() if count >= ENOUGH]


#: In a trial nobody is asked, unless it says what would be answered.
NOT_ASKED = Answer(True, "is not asked in a trial, and taken to be true")


def guards_of(
    only_if: Query | None, stop_if: Query | None, value: Callable[[str], str | None]
) -> Guards:
    """Return guards with their placeholders filled in by `value`, which is told their names."""
    made = Guards()
    if only_if is not None:
        try:
            made = made._replace(only_if=fill(only_if, value))
        except Unfilled as error:
            made = made._replace(answer=unknown(str(error)))
    if stop_if is not None:
        try:
            made = made._replace(stop_if=fill(stop_if, value))
        except Unfilled as error:
            made = made._replace(note=f"; stop_if is not asked: {error}")
    return made
