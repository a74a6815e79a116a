"""Limits on top of the rules: a new lease needs its part of the fleet's budget before its commit.

reserve (here) ─▶ commit (the committer) ─▶ give back what was not needed (here)

Rules for editors. A reservation may outlive its lease for a while, never the other way round: it is
made before the commit and freed after. It is named like the lease, and the lease by the revision it
was made from. So controllers that grant the same thing at once share one reservation, and one whose
commit lost is given back only after the revision has moved: then nobody can grant it any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from upshift_agent.contract import FLEET, Baseline, Lease
from upshift_rules.leases.changes import Change, Transition
from upshift_rules.leases.limits import Ledger, Limits, Reservation
from upshift_rules.leases.state import TargetState
from upshift_rules.leases.transition import limited, transition
from upshift_rules.model import Refusal

from ..errors import Unavailable
from .ports import Budgets, Reports, Snapshot, Write
from .reach import Attributes, asks, live_agents, reach

log = structlog.get_logger()

#: Each attempt lost means that another controller has made progress.
MAX_ATTEMPTS = 100

Changes = Mapping[str, Sequence[Change]]
Agents = Sequence[Attributes]


@dataclass(frozen=True, slots=True)
class _Loose:
    """A reservation whose commit may have been lost; made from revision `rev` of its target."""

    target: str
    rev: int
    expires_at_ms: int


class Limiter:
    """Makes transitions within the limits, and keeps the fleet's budget.

    baseline, limits: return those in force.
    """

    def __init__(
        self,
        budgets: Budgets,
        reports: Reports,
        *,
        baseline: Callable[[], Baseline],
        limits: Callable[[], Limits],
    ) -> None:
        self._budgets = budgets
        self._reports = reports
        self._baseline = baseline
        self._loose: dict[str, _Loose] = {}
        self._limits = limits

    @property
    def counts(self) -> bool:
        """Whether any limit is set that takes a budget."""
        return self._limits().counted

    async def reserved(self, now_ms: int) -> tuple[int, int] | None:
        """Return how many agents are reserved of `max_boosted_agents`, and that; None: no limit."""
        limits = self._limits()
        most = limits.max_boosted_agents
        if most is None:
            return None
        stored = await self._budgets.read()
        return Ledger(stored.budget, limits, now_ms).boosted_agents, most

    async def steps(
        self, snapshot: Snapshot, changes: Changes, *, reserve: bool = True
    ) -> dict[str, Transition]:
        """Return each target's transition within the limits, with what it grants reserved.

        Only where a boost or a pin is granted or renewed does this ask Redis: for the agents'
        reports, for the budget, and to write it. So nothing of it is in the way of a cap.
        `reserve=False` only looks.
        """
        states, now_ms = snapshot.states, snapshot.now_ms
        if not self.counts:
            ask = self._limits().too_fast
            steps = {it: limited(states[it], wanted, now_ms, ask) for it, wanted in changes.items()}
            if unsure := [it for it, step in steps.items() if asks(changes[it], step)]:
                agents = await self._agents(unsure, now_ms)
                for name in unsure:
                    steps[name] = limited(states[name], changes[name], now_ms, ask, agents[name])
            return steps
        steps = {it: transition(states[it], wanted, now_ms) for it, wanted in changes.items()}
        asking = {  # sorted, for who gets the last place must not depend on the order of alerts
            it: changes[it]
            for it, step in sorted(steps.items())
            if _longer(states[it], step.state) or asks(changes[it], step)
        }
        if not asking:
            return steps
        lost = self._lost(states, now_ms) if reserve else []
        counted = self._limits().max_boosted_agents is not None
        agents = await self._agents(
            [it for it in asking if counted or asks(changes[it], steps[it])], now_ms
        )

        def enter(ledger: Ledger) -> None:
            for lease in lost:
                ledger.drop(lease)
            for target, wanted in asking.items():
                steps[target] = self._within(ledger, states[target], wanted, agents.get(target))

        if not reserve:
            enter(Ledger((await self._budgets.read()).budget, self._limits(), now_ms))
            return steps
        await self._book(enter, now_ms)
        for lease in lost:
            self._loose.pop(lease, None)  # another commit may have been as quick
        for target in asking:
            for it in _longer(states[target], steps[target].state):
                self._loose[it.id] = _Loose(target, states[target].rev, it.expires_at_ms)
        return steps

    async def settle(self, taken: Sequence[Write]) -> None:
        """Free the reservations of leases that these commits have ended early.

        Should Redis be away, they free themselves when they expire.
        """
        for write in taken:
            for lease in write.after.leases:
                self._loose.pop(lease.id, None)
        ended = [lease.id for write in taken for lease in _ended_early(write)]
        if not (self.counts and ended):
            return

        def free(ledger: Ledger) -> None:
            for lease in ended:
                ledger.end(lease)

        try:
            await self._book(free, max(write.now_ms for write in taken))
        except Unavailable as error:
            log.warning("reservations stay until they expire", leases=ended, problem=error.detail)

    async def _book(self, enter: Callable[[Ledger], None], now_ms: int) -> None:
        """Make `enter`'s entries in the budget as it is, however often others are faster."""
        for _ in range(MAX_ATTEMPTS):
            stored = await self._budgets.read()
            ledger = Ledger(stored.budget, self._limits(), now_ms)
            enter(ledger)
            if not ledger.changed or await self._budgets.replace(stored, ledger.finish(), now_ms):
                return
        raise Unavailable("other controllers keep changing the budget")

    def _within(
        self, ledger: Ledger, before: TargetState, wanted: Sequence[Change], agents: Agents | None
    ) -> Transition:
        """One target's transition, with its new leases and renewals entered into `ledger`."""
        taken: set[str] = set()

        def ask(lease: Lease) -> Refusal | None:
            if refusal := self._limits().too_fast(lease):
                return refusal
            part = self._part(before.target, lease, agents or ())
            refusal = ledger.take(lease.id, part) if part else None
            if refusal is None:
                taken.add(lease.id)
            return refusal

        step = limited(before, wanted, ledger.now_ms, ask, agents)
        granted = {lease.id for lease in step.state.leases}
        for lease in taken - granted:  # another refusal made it go
            ledger.drop(lease)
        for renewed in _longer(before, step.state):
            part = self._part(before.target, renewed, agents or ())
            if part and renewed.id not in taken:
                ledger.keep(renewed.id, part)
        return step

    def _part(self, target: str, lease: Lease, agents: Agents) -> Reservation | None:
        """What `lease` needs of the budget, if anything."""
        raised, rule = reach(lease, agents, self._baseline()), lease.cause.rule
        if not raised and rule is None:
            return None
        return Reservation(
            target=target,
            rule=rule,
            agents=raised,
            known=max(raised, len(agents)) if raised else 0,
            since_ms=lease.since_ms,
            expires_at_ms=lease.expires_at_ms,
        )

    async def _agents(self, targets: Iterable[str], now_ms: int) -> dict[str, Agents]:
        """The live agents of each target; the fleet's are all."""
        names = list(targets)
        if not names:
            return {}
        everyone = await self._reports.known_targets() if FLEET in names else []
        statuses = await self._reports.statuses(list(dict.fromkeys([*names, *everyone])))
        agents: dict[str, Agents] = {it: live_agents(rows, now_ms) for it, rows in statuses.items()}
        if everyone:
            agents[FLEET] = [it for rows in agents.values() for it in rows]
        return agents

    def _lost(self, states: Mapping[str, TargetState], now_ms: int) -> list[str]:
        """Reservations whose lease was never granted, and never will be."""
        self._loose = {k: it for k, it in self._loose.items() if it.expires_at_ms > now_ms}
        return [
            lease
            for lease, it in self._loose.items()
            if it.target in states
            and states[it.target].rev != it.rev
            and not _was_granted(lease, states[it.target])
        ]


def _was_granted(lease: str, state: TargetState) -> bool:
    """Perhaps by another controller, from the same revision and so under the same name."""
    return any(it.id == lease for it in state.leases) or any(
        it.lease == lease for it in state.cases.values()
    )


def _longer(before: TargetState, after: TargetState) -> list[Lease]:
    """Leases that are new, or run longer than before; but for caps, which raise nobody."""
    ends_ms = {lease.id: lease.expires_at_ms for lease in before.leases}
    return [
        it for it in after.leases if it.kind != "cap" and it.expires_at_ms > ends_ms.get(it.id, 0)
    ]


def _ended_early(write: Write) -> list[Lease]:
    left = {lease.id for lease in write.after.leases}
    early = (it for it in write.before.leases if it.expires_at_ms > write.now_ms)
    return [it for it in early if it.id not in left and it.kind != "cap"]
