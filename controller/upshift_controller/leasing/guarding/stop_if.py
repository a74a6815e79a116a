"""Ends boosts whose `stop_if` is true twice in a row.

Every controller asks about every boost, those of others too as soon as a sweep has seen them, so a
boost is watched whichever of them lives. Whoever is first ends it; to the others it has ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from upshift_rules.guards.answer import counted
from upshift_rules.leases.changes import Change, Stop
from upshift_rules.leases.state import TargetState

from ...errors import Unavailable
from ..committer import Committer
from ..ports import Questions, States

log = structlog.get_logger()

#: Between two sweeps, which see what other controllers have granted.
SWEEP_S = 60.0
#: States that a sweep reads in one go.
_AT_ONCE = 100


class StopIf:
    """Watches over the boosts that have a `stop_if`. every_s: how often they are asked about."""

    def __init__(
        self,
        states: States,
        committer: Committer,
        questions: Questions,
        every_s: Callable[[], float],
    ) -> None:
        self._states = states
        self._committer = committer
        self._questions = questions
        self._every_s = every_s
        self._watched: dict[str, TargetState] = {}  # by target; those with some
        self._counts: dict[str, int] = {}
        self._sweep_at = 0.0

    def notice(self, state: TargetState) -> None:
        """Take note of a state that was committed here; called for every one."""
        if state.stops:
            self._watched[state.target] = state
        elif self._watched:
            self._watched.pop(state.target, None)

    async def watch(self) -> None:
        """Ask, for ever."""
        while True:
            await asyncio.sleep(self._every_s())
            try:
                await self.look()
            except Unavailable as error:
                log.warning("stop_if could not be looked after", problem=error.detail)

    async def look(self) -> None:
        """Ask about each boost once. Without such boosts that takes no question."""
        if not self._questions.is_set:
            self._counts.clear()
            return
        if time.monotonic() >= self._sweep_at:
            await self._sweep()
            self._sweep_at = time.monotonic() + SWEEP_S
        stops = {name: state.stops for name, state in self._watched.items()}
        queries = {query for of in stops.values() for query in of.values()}
        answers = await self._questions.ask(queries, within_s=self._every_s(), few=True)
        asked = {lease: answers[query].true for of in stops.values() for lease, query in of.items()}
        self._counts, over = counted(self._counts, asked)
        changes: dict[str, list[Change]] = {
            target: [
                Stop(lease, f"{answers[query].said}, twice in a row")
                for lease, query in of.items()
                if lease in over
            ]
            for target, of in stops.items()
        }
        await self._committer.apply({name: it for name, it in changes.items() if it}, "ends")

    async def _sweep(self) -> None:
        """See which boosts there are, whoever has granted or ended them."""
        names = await self._states.leased_targets()
        for name in self._watched.keys() - set(names):
            del self._watched[name]
        for start in range(0, len(names), _AT_ONCE):
            snapshot = await self._states.read(names[start : start + _AT_ONCE])
            for name, state in snapshot.states.items():
                known = self._watched.get(name)
                if known is None or known.rev <= state.rev:  # else it has changed meanwhile
                    self.notice(state)
