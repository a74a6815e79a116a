"""Has `only_if` asked where a boost would be granted, and nowhere else.

The transition itself says which claims wait for an answer (`unasked`): repeats, alerts that join a
boost and renewals do not, and whoever has no guard is committed before anybody is asked.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from upshift_rules.guards.answer import Answer
from upshift_rules.leases.changes import Change
from upshift_rules.model import Claim

from ..ports import Questions
from ..requests import Outcomes

#: How long all the alerts of a webhook wait for their guards.
PATIENCE_S = 3.0

Changes = Mapping[str, Sequence[Change]]


def deadline() -> float:
    """Return until when what comes now may wait for guards, of `time.monotonic`."""
    return time.monotonic() + PATIENCE_S


class OnlyIf:
    """Answers claims whose boost waits for a guard. questions: None where nobody can be asked."""

    def __init__(self, questions: Questions | None = None) -> None:
        self._questions = questions

    async def through(
        self, changes: Changes, apply: Callable[[Changes], Awaitable[Outcomes]], until: float
    ) -> Outcomes:
        """Apply `changes`; then, once more, those that wait for an answer, with what has come of it
        `until` then. Return what became of each."""
        first = await apply(changes)
        waiting = {
            target: found
            for target, row in first.items()
            if (found := [at for at, it in enumerate(row) if it.outcome == "unasked"])
        }
        if not waiting:
            return first
        claims = {
            target: [changes[target][at] for at in found] for target, found in waiting.items()
        }
        answers = await self._ask(claims, until)
        again = await apply(
            {
                target: [_answered(it, answers) for it in several]
                for target, several in claims.items()
            }
        )
        outcomes = {target: list(row) for target, row in first.items()}
        for target, found in waiting.items():
            for at, outcome in zip(found, again[target], strict=True):
                outcomes[target][at] = outcome
        return outcomes

    async def _ask(self, claims: Changes, until: float) -> Mapping[str, Answer]:
        if self._questions is None:
            return {}
        queries = [
            it.guards.only_if
            for several in claims.values()
            for it in several
            if isinstance(it, Claim) and it.guards is not None
        ]
        left_s = max(0.0, until - time.monotonic())
        return await self._questions.ask(queries, within_s=left_s)


_NOBODY = Answer(None, "is unknown: there is nobody to ask")


def _answered(change: Change, answers: Mapping[str, Answer]) -> Change:
    if not isinstance(change, Claim) or change.guards is None:
        return change
    answer = answers.get(change.guards.only_if, _NOBODY)
    return change._replace(guards=change.guards._replace(answer=answer))
