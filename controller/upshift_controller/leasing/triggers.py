"""THE flow: triggers → changes per target → one commit → what became of each, and why.

parse (sources) ─▶ match (upshift_rules.matching) ─▶ changes per target ─▶ Committer
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import structlog

from upshift_rules.claims import claims_of, explain
from upshift_rules.leases.changes import Change
from upshift_rules.matching import Verdict
from upshift_rules.model import BadTrigger, Claim, Outcome, Refusal, RuleSet, Trigger

from ..runtime.slices import each
from .committer import Committer
from .guarding.only_if import Changes, OnlyIf, deadline
from .newcomers import Newcomers
from .ports import BATCH, States
from .requests import Outcomes

log = structlog.get_logger()


class Account(NamedTuple):
    """What one alert did: an outcome for each rule that it matched, or one that says why none."""

    trigger: Trigger | BadTrigger
    outcomes: Sequence[Outcome]


class Triggers:
    """Turns triggers into changes of leases, and says what became of each.

    rules: returns those in force; leases granted under others run to their end.
    """

    def __init__(
        self,
        states: States,
        committer: Committer,
        rules: Callable[[], RuleSet],
        newcomers: Newcomers,
        only_if: OnlyIf | None = None,
    ) -> None:
        self._states = states
        self._newcomers = newcomers
        self._committer = committer
        self._rules = rules
        self._only_if = only_if or OnlyIf()

    def check_room(self) -> None:
        """Raise `Unavailable` when too many alerts wait already."""
        self._committer.check_room()

    async def receive(
        self, triggers: Sequence[Trigger | BadTrigger], sender: str = ""
    ) -> list[Account]:
        """Let alerts do what the rules say: in one commit, or in parts where they are very many.

        sender: whose alerts they are, for the limit on new targets.
        """
        until = deadline()
        if len(triggers) <= BATCH:
            return await self._let_in(
                triggers, [self._match(trigger) for trigger in triggers], sender, until
            )
        # In parts, so that neither a transition nor a commit keeps others waiting. What fires goes
        # first, as in one commit. Should Redis go away in between, all of it comes again.
        order = sorted(range(len(triggers)), key=lambda i: _has_resolved(triggers[i]))
        accounts: dict[int, Account] = {}
        for start in range(0, len(order), BATCH):
            part = [triggers[i] for i in order[start : start + BATCH]]
            answers = await each(lambda trigger: self._match(trigger, hint=False), part)
            made = await self._let_in(part, answers, sender, until)
            accounts |= zip(order[start : start + BATCH], made, strict=True)
        return [accounts[i] for i in range(len(triggers))]

    async def _let_in(
        self,
        triggers: Sequence[Trigger | BadTrigger],
        answers: Sequence[Sequence[Claim | Outcome]],
        sender: str,
        until: float,
    ) -> list[Account]:
        changes = _by_target(answers)
        new = self._states.unknown(changes)
        if not new:
            outcomes = await self._apply(changes, until)
            return _accounts(triggers, answers, outcomes)
        counted = set(new[: self._newcomers.take(sender, len(new), _now_ms())])
        made: list[str] = []
        try:
            if len(counted) < len(new):
                beyond = await self._states.strangers(new[len(counted) :])
                if beyond:
                    answers = self._without(answers, set(beyond), sender)
                    changes = _by_target(answers)
            outcomes = await self._apply(changes, until, made.append)
        finally:
            unused = len(counted.difference(made))
            if unused:
                self._newcomers.give_back(sender, unused, _now_ms())
        return _accounts(triggers, answers, outcomes)

    async def _apply(
        self,
        changes: Changes,
        until: float,
        made: Callable[[str], None] | None = None,
    ) -> Outcomes:
        async def apply(some: Changes) -> Outcomes:
            return await self._committer.apply(some, "alerts", made)

        return await self._only_if.through(changes, apply, until)

    def _without(
        self, answers: Sequence[Sequence[Claim | Outcome]], beyond: Collection[str], sender: str
    ) -> list[list[Claim | Outcome]]:
        """The claims on targets beyond the limit on new ones are refused."""
        most = self._newcomers.most()
        who = f"{sender}'s alerts" if sender else "alerts"
        reason = (
            f"limits.max_new_targets is {most}, and within the hour {who} have named as many "
            "targets that no agent reports to"
        )
        log.warning("alerts about new targets refused", targets=len(beyond), reason=reason)
        refusal = Refusal("max_new_targets", most, most, reason)

        def refused(claim: Claim) -> Outcome:
            return Outcome(
                outcome="refused",
                reason=reason,
                rule=claim.rule.name,
                target=claim.target,
                profile=claim.rule.profile,
                hz=claim.rule.frequency_hz,
                refusal=refusal,
            )

        return [
            [
                refused(claim) if isinstance(claim, Claim) and claim.target in beyond else claim
                for claim in answer
            ]
            for answer in answers
        ]

    async def explain(self, triggers: Sequence[Trigger | BadTrigger]) -> list[Account]:
        """Return what `receive` would do with these alerts now. Nothing is written."""
        answers = await each(self._match, triggers)

        async def preview(some: Changes) -> Outcomes:
            return (await self._committer.preview(some))[1]

        outcomes = await self._only_if.through(_by_target(answers), preview, deadline())
        return _accounts(triggers, answers, outcomes)

    def _match(
        self, trigger: Trigger | BadTrigger, *, hint: bool = True
    ) -> Sequence[Claim | Outcome]:
        if isinstance(trigger, BadTrigger):
            return [Outcome(outcome="invalid", reason=trigger.reason)]
        return claims_of(self._rules(), trigger, hint=hint)

    def verdicts(self, trigger: Trigger) -> Sequence[Verdict]:
        """Return for every rule why it matches this alert or does not."""
        return explain(self._rules(), trigger)


def _now_ms() -> float:
    return time.monotonic() * 1000


def _has_resolved(trigger: Trigger | BadTrigger) -> bool:
    return isinstance(trigger, Trigger) and trigger.status == "resolved"


def _by_target(answers: Iterable[Sequence[Claim | Outcome]]) -> dict[str, list[Change]]:
    changes: dict[str, list[Change]] = {}
    for answer in answers:
        for claim in answer:
            if isinstance(claim, Claim):
                changes.setdefault(claim.target, []).append(claim)
    return changes


def _accounts(
    triggers: Sequence[Trigger | BadTrigger],
    answers: Sequence[Sequence[Claim | Outcome]],
    outcomes: Mapping[str, Sequence[Outcome]],
) -> list[Account]:
    """Put each outcome back where its claim came from: they are in the same order."""
    queues = {target: iter(row) for target, row in outcomes.items()}
    return [
        Account(
            trigger,
            [next(queues[claim.target]) if isinstance(claim, Claim) else claim for claim in answer],
        )
        for trigger, answer in zip(triggers, answers, strict=True)
    ]
