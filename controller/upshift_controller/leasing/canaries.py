"""Keeps leases for a share of the agents aimed at agents that live, for as long as they last.

An agent that is restarted is another one, and a rollout restarts them all. So those leases are
aimed anew now and then, by the controller that granted them or saw them when it started.
"""

from __future__ import annotations

import time

from upshift_rules.leases.changes import Aim
from upshift_rules.leases.state import TargetState

from .committer import Committer
from .ports import States

#: Between two looks at the agents of such leases. A dead one is noticed after 20 s anyway.
CHECK_S = 15.0
#: States read in one go at the start.
_AT_ONCE = 500


class Canaries:
    def __init__(self, states: States, committer: Committer) -> None:
        self._states = states
        self._committer = committer
        self._targets: set[str] = set()
        self._seen_all = False
        self._check_at = 0.0

    def notice(self, state: TargetState) -> None:
        """Take note of a state that was committed here; called for every one."""
        if any(lease.fraction < 1 for lease in state.leases):
            self._targets.add(state.target)
        elif self._targets:
            self._targets.discard(state.target)

    async def look_after(self) -> None:
        """Aim anew what reaches nobody any more. Without such leases no round trip at all."""
        if not self._seen_all:
            names = await self._states.leased_targets()
            for start in range(0, len(names), _AT_ONCE):
                snapshot = await self._states.read(names[start : start + _AT_ONCE])
                for state in snapshot.states.values():
                    self.notice(state)
            self._seen_all = True
        if self._targets and time.monotonic() >= self._check_at:
            self._check_at = time.monotonic() + CHECK_S
            await self._committer.apply({target: [Aim()] for target in self._targets}, "alerts")
