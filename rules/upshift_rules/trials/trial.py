"""A controller in virtual time: what alerts make of rules, one moment after the other.

It does what a controller does, in the same order: match, a transition for each target, in the order
of their names, within the limits; each lease ends when it is due; schedules ask when their windows
begin, and again while they are refused; `stop_if` is asked while a boost runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from upshift_agent.contract import CPU, Lease, Plan, Profile
from upshift_agent.contract.resolve import resolve

from ..claims import claims_of
from ..guards.answer import NOT_ASKED
from ..leases.agents import Agent
from ..leases.changes import Change, Entry, Transition
from ..leases.draft import filter_key
from ..leases.limiting.reach import asks
from ..leases.limiting.reservations import Reservation
from ..leases.limiting.reserving import longer, part, within
from ..leases.limits import Ledger, Limits
from ..leases.state import TargetState, plan_of
from ..leases.transition import limited, revised, transition
from ..model import BadTrigger, Claim, Outcome, RuleSet, Trigger
from .beside.agenda import Agenda
from .beside.stops import Stops
from .beside.told import Answers, Planned
from .fleet import Fleet, Member

#: How often a controller asks for a schedule's lease that was refused.
LOOK_MS = 30_000
#: Triggers of which a trial remembers whom they are about.
MOST_MATCHED = 10_000


class Notice(NamedTuple):
    """What a controller is told in one go. at_ms: when, in Unix ms."""

    at_ms: int
    triggers: Sequence[Trigger | BadTrigger]


class Step(NamedTuple):
    """One target's change, as it would have been committed."""

    at_ms: int
    before: TargetState
    after: TargetState
    entries: Sequence[Entry]


class Trial:
    """hear: is told each change, in order."""

    def __init__(
        self,
        rules: RuleSet,
        limits: Limits,
        fleet: Fleet,
        hear: Callable[[Step], object] = lambda _: None,
        planned: Iterable[Planned] = (),
        answers: Answers | None = None,
    ) -> None:
        self.rules = rules
        self.limits = limits.among(fleet.size)
        self.fleet = fleet
        self.now_ms = 0
        self.states: dict[str, TargetState] = {}
        self.hear = hear
        self._ledger = Ledger({}, self.limits, 0)
        self._parts: dict[object, Reservation | None] = {}
        self._answers = answers or Answers()
        self._agenda = Agenda(planned)
        self._stops = Stops(rules, self._answers)
        self._matched: dict[object, Sequence[Claim | Outcome]] = {}

    def pass_until(self, now_ms: int) -> None:
        """Let time pass until `now_ms`, and end what expires by then, each lease on its time."""
        while (due := self._agenda.next(now_ms)) is not None:
            due_ms, what = due
            self.now_ms = max(self.now_ms, due_ms)
            if what is None:
                for target, stops in self._stops.ask(self.now_ms).items():
                    self._change(target, stops)
                self._watch_stops()
            elif isinstance(what, Planned):
                self._ask(what)
            else:
                before = self.states[what]
                if (before.next_expiry_ms or now_ms + 1) <= due_ms:
                    self._commit(before, transition(before, (), self.now_ms))
        self.now_ms = max(self.now_ms, now_ms)

    def _ask(self, planned: Planned) -> None:
        """Ask for a schedule's leases, and soon again for those that are refused."""
        outcomes, again_ms = self._change(planned.target, planned.changes), self.now_ms + LOOK_MS
        refused = [
            change
            for change, outcome in zip(planned.changes, outcomes, strict=True)
            if outcome.outcome == "refused" and again_ms < change.ends_at_ms
        ]
        if refused:
            self._agenda.enter(again_ms, Planned(again_ms, planned.target, refused, again=True))

    def _watch_stops(self) -> None:
        if (at_ms := self._stops.due(self.now_ms)) is not None:
            self._agenda.enter(at_ms, None)

    def tell(self, notice: Notice) -> list[Sequence[Outcome]]:
        """Let time pass until a notice, and return what became of each of its triggers."""
        self.pass_until(notice.at_ms)
        answers = [self._match(trigger) for trigger in notice.triggers]
        changes: dict[str, list[Change]] = {}
        for answer in answers:
            for claim in answer:
                if isinstance(claim, Claim):
                    changes.setdefault(claim.target, []).append(claim)
        outcomes = {
            target: iter(self._change(target, changes[target])) for target in sorted(changes)
        }
        return [
            [next(outcomes[it.target]) if isinstance(it, Claim) else it for it in answer]
            for answer in answers
        ]

    def leases(self) -> list[tuple[str, Lease]]:
        """Return all live leases, with their targets."""
        return [
            (target, lease)
            for target, state in sorted(self.states.items())
            for lease in state.leases
            if lease.expires_at_ms > self.now_ms
        ]

    def plans(self, targets: Iterable[str]) -> list[Plan]:
        """Return those plans of `targets` that have leases."""
        found = (self.states.get(target) for target in targets)
        return [plan_of(it, self.now_ms) for it in found if it is not None and it.leases]

    def hz(self, member: Member, plans: Sequence[Plan], profile: str = CPU) -> int:
        """Return what an agent that follows `plans` runs at now, in the profile's unit."""
        baseline, most = self.rules.baseline, member.max_hz
        return resolve(plans, member.attributes, baseline, most, self.now_ms, profile).hz

    def _match(self, trigger: Trigger | BadTrigger) -> Sequence[Claim | Outcome]:
        if isinstance(trigger, BadTrigger):
            return [Outcome(outcome="invalid", reason=trigger.reason)]
        key = trigger.kind, frozenset(trigger.labels.items())
        if (found := self._matched.get(key)) is None:
            if len(self._matched) >= MOST_MATCHED:
                self._matched.clear()
            found = self._matched[key] = claims_of(self.rules, trigger, hint=False)
        # By its labels alone; and most alerts are told more than once.
        return [self._guarded(it, trigger) if isinstance(it, Claim) else it for it in found]

    def _guarded(self, claim: Claim, trigger: Trigger) -> Claim:
        """A claim with what its guards say: where nobody knows, they grant, and end nothing."""
        claim = claim._replace(trigger=trigger)
        if (guards := claim.guards) is None:
            return claim
        rule, target, known = claim.rule.name, claim.target, self._answers.known
        if guards.answer is None:
            answer = self._answers.of(rule, "only_if", target, self.now_ms)
            guards = guards._replace(answer=answer or NOT_ASKED)
        if guards.stop_if and (rule, "stop_if") not in known:
            note = f"{guards.note}; stop_if is not asked in a trial"
            guards = guards._replace(stop_if="", note=note)
        return claim._replace(guards=guards)

    def _change(self, target: str, wanted: Sequence[Change]) -> Sequence[Outcome]:
        before = self.states.get(target) or TargetState(target=target)
        step = transition(before, wanted, self.now_ms)
        if step.state is not before or step.entries:
            step = self._within(before, wanted, step)
            self._commit(before, step)
        return step.outcomes

    def _within(
        self, before: TargetState, wanted: Sequence[Change], step: Transition
    ) -> Transition:
        """The same transition within the limits, and with the agents where they matter."""
        asked = asks(wanted, step, self.fleet.living(before.target))
        if not (asked or longer(before, step.state)):
            return step
        agents = self.fleet.agents(before.target) if asked or self.limits.counts_agents else None
        first = None if asked else step
        if not self.limits.counted:
            return limited(before, wanted, self.now_ms, self.limits.too_fast, agents, first)
        return within(self._now(), before, wanted, agents, self._part, first)

    def _now(self) -> Ledger:
        """The budget as it is now. What was granted in the last hour takes a look at all of it."""
        if self.limits.max_boosts_per_hour is not None:
            self._ledger = Ledger(self._ledger.finish(), self.limits, self.now_ms)
        self._ledger.now_ms = self.now_ms
        return self._ledger

    def _part(self, target: str, lease: Lease, agents: Sequence[Agent]) -> Reservation | None:
        # The agents are the same throughout, so what differs is the lease.
        key = target, lease.kind, lease.profile, lease.hz, lease.cause.rule, filter_key(lease.where)
        if lease.fraction < 1 or key not in self._parts:
            baseline, anybody = self.rules.baseline, self.fleet.size > 0
            found = part(target, lease, agents, baseline, self.limits, anybody=anybody)
            self._parts[key] = found
        known = self._parts[key]
        return known and known._replace(since_ms=lease.since_ms, expires_at_ms=lease.expires_at_ms)

    def _commit(self, before: TargetState, step: Transition) -> None:
        if step.state is before and not step.entries:
            return
        after = revised(before, step.state, self.now_ms * 1000)
        self.states[after.target] = after
        if (due_ms := after.next_expiry_ms) is not None and due_ms != before.next_expiry_ms:
            self._agenda.enter(due_ms, after.target)
        self._stops.notice(after)
        self._watch_stops()
        self._free(before, after)
        self.hear(Step(self.now_ms, before, after, step.entries))

    def _free(self, before: TargetState, after: TargetState) -> None:
        """Take leases that have ended out of the budget, but for those of the last hour's count."""
        left = {lease.id for lease in after.leases}
        for lease in before.leases:
            if lease.id not in left and self.limits.max_boosts_per_hour is None:
                self._ledger.drop(lease.id)
            elif lease.id not in left:
                self._now().end(lease.id)


def everyone(trial: Trial) -> Mapping[str, Mapping[Profile, int]]:
    """Return what each agent runs at now, by its name and profile."""
    fleet = trial.fleet
    return {
        it.name: {profile: trial.hz(it, trial.plans(followed), profile) for profile in it.profiles}
        for it, followed in zip(fleet.members, fleet.followed, strict=True)
    }
