"""The agent's engine, handed messages by hand: what it asks of its subscription."""

from __future__ import annotations

import time
from typing import cast

from upshift_agent.config import Config
from upshift_agent.contract import Plan, encode_plan
from upshift_agent.drivers.adapter import adapt
from upshift_agent.engine import Engine
from upshift_agent.following.subscription import Subscription
from upshift_agent.runtime.elapsed import elapsed_s
from upshift_agent.testing import RecordingDriver

HOME = "service/checkout"
BAD = b"no JSON"


class Asked:
    """Counts how often it is asked to read soon."""

    connected = True

    def __init__(self) -> None:
        self.times = 0

    def read_soon(self) -> None:
        self.times += 1

    def report_soon(self) -> None:
        pass


def test_a_snapshot_that_is_refused_is_read_again_if_a_plan_was_pushed_meanwhile() -> None:
    config = Config(redis_url="redis://127.0.0.1:1", service="checkout")
    engine = Engine(config, adapt(RecordingDriver()))
    try:
        engine._subscription = cast("Subscription", asked := Asked())
        now_ms = time.time() * 1000
        good = encode_plan(Plan(target=HOME, rev=1, now_ms=int(now_ms), leases=())).encode()
        before_ms = engine_ms()
        engine._read({HOME: BAD}, now_ms, before_ms, before_ms)
        assert (asked.times, len(engine._plans.skipped)) == (0, 1)  # the next one is soon enough
        engine._hear(HOME, good)
        engine._read({HOME: BAD}, now_ms, before_ms, engine_ms())
        assert (asked.times, len(engine._plans.skipped)) == (1, 1)
    finally:
        engine.close()


def engine_ms() -> float:
    """Now, by the clock of a snapshot's times."""
    return elapsed_s() * 1000
