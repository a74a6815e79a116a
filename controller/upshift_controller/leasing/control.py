"""THE flow: alerts and overrides → changes per target → one commit → what became of each, and why.

parse (alertmanager) ─▶ match (upshift_rules.matching) ─▶ changes per target ─▶ Committer
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import structlog

from upshift_agent.contract import (
    FLEET,
    MAX_LEASE_MS,
    SET_BACK_MS,
    Baseline,
    Cause,
    Kind,
    Where,
    check_target,
    is_plain,
    one_line,
    shorten,
)
from upshift_agent.contract.errors import WireError
from upshift_rules.durations import format_duration
from upshift_rules.leases.changes import Change, Override, Release, SetBaseline
from upshift_rules.leases.transition import republished
from upshift_rules.matching import Verdict, claims_of, explain
from upshift_rules.model import BadTrigger, Claim, Outcome, Refusal, RuleSet, Trigger

from ..errors import Refused
from ..slices import each
from .committer import Committer
from .newcomers import Newcomers
from .ports import States, Write

log = structlog.get_logger()

#: Targets reverted or signed anew, or alerts that are let in, in one go; the next follow at once.
BATCH = 500
#: Who asked, and why: characters of each text that is kept.
MAX_SAID = 500


class Account(NamedTuple):
    """What one alert did: an outcome for each rule that it matched, or one that says why none."""

    trigger: Trigger | BadTrigger
    outcomes: Sequence[Outcome]


class Control:
    """Turns alerts and overrides into changes of leases, and says what became of each.

    rules: returns those in force; leases granted under others run to their end.
    """

    def __init__(
        self,
        states: States,
        committer: Committer,
        rules: Callable[[], RuleSet],
        newcomers: Newcomers,
    ) -> None:
        self._states = states
        self._newcomers = newcomers
        self._committer = committer
        self._rules = rules
        #: Latest Redis time seen. At the start nobody knows what the clock did before.
        self._newest_ms = math.inf
        self._baseline: Baseline | None = None  # that was published last
        self._since_ms = 0  # since when it has been in force, in Redis ms
        self._outdone: str | None = None  # why it is not, as it was logged

    def check_room(self) -> None:
        """Raise `Unavailable` when too many alerts wait already."""
        self._committer.check_room()

    async def receive(
        self, triggers: Sequence[Trigger | BadTrigger], sender: str = ""
    ) -> list[Account]:
        """Let alerts do what the rules say: in one commit, or in parts where they are very many.

        sender: whose alerts they are, for the limit on new targets.
        """
        if len(triggers) <= BATCH:
            return await self._let_in(
                triggers, [self._match(trigger) for trigger in triggers], sender
            )
        # In parts, so that neither a transition nor a commit keeps others waiting. What fires goes
        # first, as in one commit. Should Redis go away in between, all of it comes again.
        order = sorted(range(len(triggers)), key=lambda i: _has_resolved(triggers[i]))
        accounts: dict[int, Account] = {}
        for start in range(0, len(order), BATCH):
            part = [triggers[i] for i in order[start : start + BATCH]]
            answers = await each(lambda it: self._match(it, hint=False), part)
            told = await self._let_in(part, answers, sender)
            accounts |= zip(order[start : start + BATCH], told, strict=True)
        return [accounts[i] for i in range(len(triggers))]

    async def _let_in(
        self,
        triggers: Sequence[Trigger | BadTrigger],
        answers: Sequence[Sequence[Claim | Outcome]],
        sender: str,
    ) -> list[Account]:
        changes = _by_target(answers)
        new = self._states.unknown(changes)
        if not new:
            return _accounts(triggers, answers, await self._committer.apply(changes, "alerts"))
        counted = set(new[: self._newcomers.take(sender, len(new), _now_ms())])
        made: list[str] = []
        try:
            if len(counted) < len(new):
                beyond = await self._states.strangers(new[len(counted) :])
                if beyond:
                    answers = self._without(answers, set(beyond), sender)
                    changes = _by_target(answers)
            outcomes = await self._committer.apply(changes, "alerts", made.append)
        finally:
            unused = len(counted.difference(made))
            if unused:
                self._newcomers.give_back(sender, unused, _now_ms())
        return _accounts(triggers, answers, outcomes)

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
        log.warning("alerts about new targets refused", targets=len(beyond), cause=reason)
        refusal = Refusal("max_new_targets", most, most, reason)

        def refused(claim: Claim) -> Outcome:
            return Outcome(
                outcome="refused",
                reason=reason,
                rule=claim.rule.name,
                target=claim.target,
                refusal=refusal,
            )

        return [
            [refused(it) if isinstance(it, Claim) and it.target in beyond else it for it in answer]
            for answer in answers
        ]

    async def explain(self, triggers: Sequence[Trigger | BadTrigger]) -> list[Account]:
        """Return what `receive` would do with these alerts now. Nothing is written."""
        answers = await each(self._match, triggers)
        _, outcomes = await self._committer.preview(_by_target(answers))
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

    async def override(
        self,
        target: str,
        kind: Kind,
        hz: int,
        duration_ms: int,
        *,
        where: Where,
        cause: Cause,
    ) -> Outcome:
        """Grant an engineer's lease. Raise `Refused` when it is out of bounds."""
        try:
            check_target(target)
        except WireError as error:
            raise Refused(str(error), slug="target", status=422) from error
        lowest, highest = (1 if kind == "boost" else 0), self._rules().max_frequency_hz
        if not lowest <= hz <= highest:
            raise Refused(
                f"a {kind} must be {lowest}–{highest} Hz here, got {hz}",
                slug="frequency",
                status=422,
            )
        if not 1000 <= duration_ms <= MAX_LEASE_MS:
            raise Refused(
                f"a lease must last 1s–{format_duration(MAX_LEASE_MS)}, "
                f"got {format_duration(duration_ms)}",
                slug="duration",
                status=422,
            )
        for text in _texts(where):
            if not is_plain(text):
                raise Refused(
                    f"where must be made of single lines of valid Unicode, got {shorten(text)}",
                    slug="where",
                    status=422,
                )
        change = Override(
            id=f"{kind}/{secrets.token_hex(4)}",
            kind=kind,
            hz=hz,
            duration_ms=duration_ms,
            where=where,
            cause=cause,
        )
        return await self._one(target, change)

    async def release(self, lease: str, *, cause: Cause) -> Outcome:
        """End the lease with this id, whichever target has it."""
        names = await self._states.leased_targets()
        for start in range(0, len(names), BATCH):
            snapshot = await self._states.read(names[start : start + BATCH])
            for target, state in snapshot.states.items():
                if not any(it.id == lease for it in state.leases):
                    continue
                return await self._one(target, Release(lease=lease, cause=cause))
        reason = f"no lease is called {lease}; it may have ended by itself"
        return Outcome(outcome="no_lease", reason=reason, lease=lease)

    async def release_all(self, target: str, *, cause: Cause) -> Outcome:
        """End every lease of a target."""
        return await self._one(target, Release(lease=None, cause=cause))

    async def _one(self, target: str, change: Change) -> Outcome:
        return (await self._committer.apply({target: [change]}, "engineers"))[target][0]

    async def publish_baseline(self) -> None:
        """Tell the fleet its baseline, unless it knows: first start, reload, data lost.

        Where another controller's configuration is newer, that one stays, and the log says so.
        """
        baseline = self._rules().baseline
        if baseline != self._baseline:
            snapshot = await self._states.read([FLEET])
            known = snapshot.states[FLEET].configured
            # Above what is there, also where Redis' clock was set back.
            self._since_ms = max(snapshot.now_ms, known.since_ms + 1)
            baseline = self._baseline = self._rules().baseline  # a reload may have come
        outcome = await self._one(FLEET, SetBaseline(baseline, self._since_ms))
        refused = outcome.reason if outcome.outcome == "refused" else None
        if refused and refused != self._outdone:
            log.warning(
                "this controller's baseline is not in force; give all the same configuration, "
                "or restart the one that is right",
                cause=refused,
                here=shorten(baseline.to_json()),
            )
        self._outdone = refused

    async def sign_anew(self) -> int:
        """Sign every state and plan anew that another secret has signed; return how many states.

        Else agents that know only the newest secret could not read it. A target that another
        controller changes meanwhile is left to that one, or to the next call.
        """
        names = await self._states.signed_otherwise()
        for start in range(0, len(names), BATCH):
            snapshot = await self._states.read(names[start : start + BATCH])
            writes = [
                Write(state, republished(state, snapshot.now_us), (), snapshot.now_us)
                for state in snapshot.states.values()
            ]
            await self._states.commit(writes)
        return len(names)

    async def revert_due(self) -> tuple[int, int | None]:
        """End all leases that have expired. Return Redis time and the next expiry, both in ms."""
        seen: set[str] = set()
        while True:
            now_ms, due, next_ms = await self._states.due(BATCH)
            if now_ms < self._newest_ms - SET_BACK_MS:
                await self._look_at_all_leases()
                self._newest_ms = now_ms
                continue
            self._newest_ms = max(self._newest_ms, now_ms)
            if not due:
                return now_ms, next_ms
            await self._committer.apply({target: [] for target in due}, "ends")
            if stuck := seen.intersection(due):
                await self._states.settle(sorted(stuck))
            seen = set(due)

    async def _look_at_all_leases(self) -> None:
        """Bound leases that begin later than now: Redis's clock was set back, or may have been."""
        names = await self._states.leased_targets()
        for start in range(0, len(names), BATCH):
            changes: dict[str, list[Change]] = {it: [] for it in names[start : start + BATCH]}
            await self._committer.apply(changes, "ends")


def asked_by(name: str, *, via: str = "", reason: str = "") -> Cause:
    """Return why an operator's lease is there, of texts that may hold anything."""
    return Cause.of_operator(
        one_line(name, MAX_SAID) or "anonymous",
        via=via,
        reason=one_line(reason, MAX_SAID),
    )


def _texts(where: Where) -> Iterator[str]:
    for name, wanted in where.items():
        yield name
        yield from (wanted,) if isinstance(wanted, str) else wanted


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
            [next(queues[it.target]) if isinstance(it, Claim) else it for it in answer],
        )
        for trigger, answer in zip(triggers, answers, strict=True)
    ]
