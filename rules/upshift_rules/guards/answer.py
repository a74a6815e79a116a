"""What is asked on behalf of one claim, and what Prometheus says to it."""

from __future__ import annotations

from collections.abc import Callable
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


#: In a trial nobody can be asked.
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
