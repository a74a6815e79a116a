"""What Redis probably holds, and what time it probably is there: guesses, so that a change can go
to Redis without asking first. `commit.lua` turns down what was made from a wrong one. No I/O here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable

from upshift_rules.leases.state import TargetState

from ..leasing.ports import Snapshot

#: States, leases and episodes that are kept, some 500 bytes each; of the targets changed last.
MAX_PARTS = 65_536
#: An answer that takes longer says too little of the time.
SLOW_US = 10_000


def monotonic_us() -> int:
    return time.monotonic_ns() // 1000


class Memory:
    def __init__(self) -> None:
        self._states: OrderedDict[str, TargetState] = OrderedDict()
        self._parts = 0
        self._offset_us: int | None = None

    def observe(self, redis_us: int, asked_us: int) -> None:
        """Take an answer to `TIME` that has just come; it was asked for at `asked_us`.

        Redis said so a little earlier, so the estimate is behind rather than ahead: a lease may
        end a fraction of a millisecond late, never early. A slow answer, as after this process has
        stood still, only counts where it proves the estimate wrong.
        """
        least, most = redis_us - monotonic_us(), redis_us - asked_us
        known = self._offset_us
        if known is None or most - least < SLOW_US or not least <= known <= most:
            self._offset_us = least

    def keep(self, state: TargetState) -> None:
        former = self._states.pop(state.target, None)
        self._states[state.target] = state
        self._parts += _parts(state) - (_parts(former) if former else 0)
        while self._parts > MAX_PARTS:
            _, oldest = self._states.popitem(last=False)
            self._parts -= _parts(oldest)

    def unknown(self, targets: Iterable[str]) -> list[str]:
        return [target for target in targets if target not in self._states]

    def recall(self, targets: Iterable[str]) -> Snapshot | None:
        """Return a guess; None while Redis time is unknown. A target not remembered may be new."""
        if self._offset_us is None:
            return None
        now_us = monotonic_us() + self._offset_us
        states = {
            target: self._states.get(target) or TargetState(target=target) for target in targets
        }
        return Snapshot(now_us, states, certain=False)


def _parts(state: TargetState) -> int:
    episodes = sum(len(case.episodes) for case in state.cases.values())
    stops = sum(map(len, state.stops.values())) // 500
    return 1 + len(state.leases) + len(state.cases) + episodes + stops
