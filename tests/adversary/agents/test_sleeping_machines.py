"""Machines that sleep, and wake with boosts that have ended meanwhile."""

from __future__ import annotations

import time

import pytest

from servers import RedisServer, eventually
from upshift_agent import Agent
from upshift_agent.runtime import elapsed
from upshift_agent.testing import FakeController, RecordingDriver

HOME = "service/checkout"


def test_a_boost_ends_when_the_machine_wakes_from_a_sleep_that_outlasted_it(
    valkey: RedisServer, controller: FakeController, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Linux CLOCK_BOOTTIME goes on meanwhile, the clock that timers use does not."""
    driver = RecordingDriver()
    with Agent(redis_url=valkey.url, service="checkout", driver=driver) as agent:
        eventually(lambda: agent.connected)
        controller.boost(HOME, hz=100, for_s=600)
        driver.wait_for(100)
        valkey.kill()
        before = elapsed.CLOCK
        real = time.clock_gettime
        monkeypatch.setattr(
            time, "clock_gettime", lambda which: real(which) + 700 * (which == before)
        )
        driver.wait_for(19, timeout_s=2)


def test_a_paused_machine_asks_redis_for_the_time_once_its_wall_clock_is_set_right(
    valkey: RedisServer, controller: FakeController, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = RecordingDriver()
    with Agent(redis_url=valkey.url, service="checkout", driver=driver) as agent:
        eventually(lambda: agent.connected)
        controller.boost(HOME, hz=100, for_s=600)
        driver.wait_for(100)
        engine = agent._run.engine  # type: ignore[union-attr]
        engine._follower.clock._offset -= 700_000  # type: ignore[union-attr]  # as after a pause
        real = time.time
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda: real() + 700)
            # Right again long before the next reading, which is up to 36 s away.
            eventually(
                lambda: abs(engine._follower.now_ms() - controller.now_ms()) < 1000, within_s=5
            )  # type: ignore[union-attr]
