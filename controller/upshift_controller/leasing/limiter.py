"""Limits on top of the rules: a new lease needs its part of the fleet's budget before its commit.

reserve (here) ─▶ commit (the committer) ─▶ give back what was not needed (here)

Of the default limit, while it has room enough, a grant is committed first and reserved right after:
see `limiting.headroom`.

Rules for editors. A reservation may outlive its lease for a while, never the other way round: it is
made before the commit and freed after. It is named like the lease, and the lease by the revision it
was made from. So controllers that grant the same thing at once share one reservation, and one whose
commit lost is given back only after the revision has moved: then nobody can grant it any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from upshift_rules.leases.changes import Change, Transition
from upshift_rules.leases.limiting.reach import asks, is_aimed, is_shared
from upshift_rules.leases.limiting.reserving import ended_early, longer, within
from upshift_rules.leases.limits import Ledger, Limits
from upshift_rules.leases.state import TargetState
from upshift_rules.leases.transition import limited, transition

from ..errors import Unavailable
from .limiting.books import Books
from .limiting.leases import was_granted
from .ports import Snapshot, Write

log = structlog.get_logger()

Changes = Mapping[str, Sequence[Change]]


@dataclass(frozen=True, slots=True)
class _Loose:
    """A reservation whose commit may have been lost; made from revision `rev` of its target."""

    target: str
    rev: int
    expires_at_ms: int


class Limiter:
    """Makes transitions within the limits that `books` keep."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self._limits = books.limits
        self._headroom = books.headroom
        self._loose: dict[str, _Loose] = {}

    def from_memory(self, wanted: Iterable[tuple[str, Iterable[Change]]]) -> bool:
        """Whether these changes of targets may be decided by states that are only remembered: no
        limit counts, or the default one has room enough."""
        limits = self._limits()
        return not limits.counted or (_is_default(limits) and self._headroom.covers(wanted))

    async def steps(
        self,
        snapshot: Snapshot,
        changes: Changes,
        *,
        reserve: bool = True,
        alone: set[str] | None = None,
    ) -> dict[str, Transition]:
        """Return each target's transition within the limits, with what it grants reserved.

        Only where a boost or a pin is granted or renewed does this ask Redis: for the agents'
        reports, for the budget, and to write it. So nothing of it is in the way of a cap.
        `reserve=False` only looks. `alone`: takes the targets of which the steps are right only if
        no agent reports there, as was so at the last look; None: ask.
        """
        states, now_ms = snapshot.states, snapshot.now_ms
        self.books.saw(now_ms)
        lost = self._lost(states, now_ms) if reserve and snapshot.certain else []
        if self.from_memory(changes.items()):
            ask = self._limits().too_fast
            steps = {it: limited(states[it], wanted, now_ms, ask) for it, wanted in changes.items()}
            few = [it for it, step in steps.items() if self._asks(it, changes[it], step)]
            if alone is not None:
                alone.update(it for it in few if self._was_alone(it, changes[it], steps[it]))
                few = [it for it in few if it not in alone]
            if few:
                agents = await self.books.agents(few, now_ms)
                for name in few:
                    steps[name] = limited(states[name], changes[name], now_ms, ask, agents[name])
            if reserve and self._limits().counted:
                for lease in lost:
                    if loose := self._loose.pop(lease, None):  # another lane may have been as quick
                        self._headroom.ended(loose.target, lease)
                for target, step in steps.items():
                    for it in longer(states[target], step.state):
                        self._loose[it.id] = _Loose(target, states[target].rev, it.expires_at_ms)
                        self._headroom.note(target, it)
            return steps
        steps = {it: transition(states[it], wanted, now_ms) for it, wanted in changes.items()}
        asking = {  # sorted, for who gets the last place must not depend on the order of alerts
            it: changes[it]
            for it, step in sorted(steps.items())
            if longer(states[it], step.state) or self._asks(it, changes[it], step)
        }
        if not asking:
            return steps
        counted = self._limits().counts_agents
        agents = await self.books.agents(
            [it for it in asking if counted or self._asks(it, changes[it], steps[it])], now_ms
        )

        def enter(ledger: Ledger) -> None:
            for lease in lost:
                ledger.drop(lease)
            for target, wanted in asking.items():
                known = agents.get(target)
                steps[target] = within(ledger, states[target], wanted, known, self.books.part)

        await self.books.enter(enter, now_ms, reserve=reserve)
        if not reserve:
            return steps
        for lease in lost:
            self._loose.pop(lease, None)  # another commit may have been as quick
        for target in asking:
            for it in longer(states[target], steps[target].state):
                self._loose[it.id] = _Loose(target, states[target].rev, it.expires_at_ms)
        return steps

    async def settle(self, taken: Sequence[Write]) -> None:
        """Free the reservations of leases that these commits have ended early.

        Should Redis be away, they free themselves when they expire.
        """
        for write in taken:
            for lease in write.after.leases:
                self._loose.pop(lease.id, None)
        ended = [
            (it.after.target, lease.id)
            for it in taken
            for lease in ended_early(it.before, it.after, it.now_ms)
        ]
        if not (self._limits().counted and ended):
            return
        for target, name in ended:
            self._headroom.ended(target, name)
        if _is_default(self._limits()):
            return  # in a moment; who asks meanwhile takes it into account
        try:
            await self.books.enter(None, max(write.now_ms for write in taken))
        except Unavailable as error:
            leases = [name for _, name in ended]
            log.warning("reservations stay until they expire", leases=leases, problem=error.detail)

    def _asks(self, target: str, wanted: Sequence[Change], step: Transition) -> bool:
        return asks(wanted, step, self.books.census.living(target))

    def _was_alone(self, target: str, wanted: Sequence[Change], step: Transition) -> bool:
        """Whether nobody lived there at the last look, and nothing else would be to be said."""
        alone = not is_shared(target) and self.books.census.known(target) == 0
        return alone and not is_aimed(wanted, step)

    def _lost(self, states: Mapping[str, TargetState], now_ms: int) -> list[str]:
        """Reservations whose lease was never granted, and never will be."""
        self._loose = {k: it for k, it in self._loose.items() if it.expires_at_ms > now_ms}
        return [
            lease
            for lease, it in self._loose.items()
            if it.target in states
            and states[it.target].rev != it.rev
            and not was_granted(lease, states[it.target])
        ]


def _is_default(limits: Limits) -> bool:
    """Whether the default limit is the only one that counts."""
    return limits.by_share and limits.max_boosts_per_hour is None
