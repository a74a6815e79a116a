"""Commits to a controller over a store that is full already."""

from __future__ import annotations

import time
from random import Random

from ..measuring.row import Sampler
from ..measuring.side import Side
from .alerts import WEBHOOK, one


def commits(side: Side, targets: int, leases: int) -> Sampler:
    """Samples (ms from POST to answer, ms of CPU) of an alert about one of the targets stored.

    An alert before it, which is not timed, lets the controller remember the target, as most that
    alert have done before; of the first since its start it reads the state as well.
    """
    side.stored(targets, leases)
    caller = side.caller(side.controller)
    random = Random(4)

    def sample() -> tuple[float, float]:
        target = f"seed-{random.randrange(targets)}"
        caller.post(WEBHOOK, one(target))
        body, cpu_s = one(target), side.cpu_s()
        began = time.perf_counter()
        caller.post(WEBHOOK, body)
        took_s = time.perf_counter() - began
        return took_s * 1e3, (side.cpu_s() - cpu_s) * 1e3

    for _ in range(side.of(20, tiny=1)):
        sample()
    return sample
