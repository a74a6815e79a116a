"""From a webhook to the drivers: what samples the way, for one agent and for crowds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from servers import HttpServer

from ..measuring.program import Program
from ..measuring.row import Line, Row, Sampler
from ..measuring.side import Side
from .alerts import WEBHOOK, shift

AGENTS = "receipt → last agent, agents"
SERVICE = "checkout"


def to_the_last(
    side: Side, server: HttpServer, path: str, heard: Sequence[Program], pause_s: float = 0.0
) -> Sampler:
    """Samples (ms from the POST to the last driver's call, ms of CPU since the last sample), of an
    alert that fires and of the same that resolves in turn.

    pause_s: after each, until the agents have reported: that is no part of the way, but its CPU is.
    """
    caller, client = side.caller(server), side.enter(side.redis.client())

    def bodies() -> Iterator[bytes]:
        for number in count():
            if number % 20 == 0:
                # What a day of alerts has left there would be measured too; other rows do that.
                client.delete("-", *client.scan_iter(match=f"*{SERVICE}*:state"))
            yield from shift(SERVICE)

    following, cpu_s = bodies(), side.cpu_s()

    def sample() -> tuple[float, float]:
        nonlocal cpu_s
        body = next(following)
        began_ns = time.monotonic_ns()
        caller.post(path, body)
        last_ns = max(int(it.line()) for it in heard)
        time.sleep(pause_s)  # as between alerts; what is done after a driver's call counts too
        before_s, cpu_s = cpu_s, side.cpu_s()
        return (last_ns - began_ns) / 1e6, (cpu_s - before_s) * 1e3

    warm_at = time.monotonic() + side.of(0.5, tiny=0.0)
    for number in count(1):  # up and down
        sample()
        time.sleep(0.03)  # two at once would be one change
        if number % 2 == 0 and time.monotonic() > warm_at:
            break
    return sample


def crowd(agents: int, processes: int, *lines: Line, **more: Any) -> Row:
    """So many agents on so many event loops, beside as many bare subscribers."""

    def of(side: Side) -> tuple[list[tuple[str, str, int]], float]:
        count = side.of(agents, tiny=min(agents, 4))
        shares = [(count + n) // processes for n in range(processes)]
        arguments = [(side.redis.url, SERVICE, share) for share in shares]
        return arguments, side.of(count / 1000, tiny=0.0)

    def product(side: Side) -> Sampler:
        arguments, reports_s = of(side)
        heard = side.start(*(side.product("crowd.py", *it) for it in arguments))
        return to_the_last(side, side.controller, WEBHOOK, heard, 0.05 + reports_s)

    def floor(side: Side) -> Sampler:
        arguments, _ = of(side)
        heard = side.start(*(side.floor("crowd.py", *it) for it in arguments))
        return to_the_last(side, side.floor_receiver, "/", heard, 0.05)

    return Row(lines=lines, product=product, beside=floor, **more)
