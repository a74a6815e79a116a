"""Drivers, exceptions and log handlers that do their worst: every lease ends all the same."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from reliability.drivers.hostile import (
    LOG_ERRORS,
    RAISED,
    RETURNED,
    Booby,
    Handler,
    Hostile,
    Mute,
    OneAtATime,
    raise_,
)
from servers import RedisServer, eventually
from upshift_agent import Agent
from upshift_agent.drivers.adapter import adapt
from upshift_agent.driving import progress
from upshift_agent.runtime.log import describe, log
from upshift_agent.testing import FakeController, RecordingDriver

HOME = "service/checkout"
BOOST_S = 1.0


def comes_back(url: str, controller: FakeController, driver: RecordingDriver) -> None:
    with Agent(redis_url=url, service="checkout", driver=driver) as agent:
        eventually(lambda: agent.connected)
        controller.boost(HOME, hz=100, for_s=BOOST_S)
        until_ms = driver.wait_for(100).until_ms
        assert until_ms is not None
        driver.wait_for(19)
        assert -100 < controller.now_ms() - until_ms < 1000
        eventually(lambda: agent.status and agent.status.state == "applied")


@pytest.mark.parametrize("wrong", RAISED.values(), ids=RAISED)
def test_whatever_a_driver_raises_its_boost_ends(
    wrong: Callable[[], object], valkey: RedisServer, controller: FakeController
) -> None:
    comes_back(valkey.url, controller, Hostile(wrong))


@pytest.mark.parametrize("odd", RETURNED.values(), ids=RETURNED)
def test_whatever_a_driver_returns_its_boost_ends_and_its_status_can_be_read(
    odd: Callable[[], object], valkey: RedisServer, controller: FakeController
) -> None:
    comes_back(valkey.url, controller, Hostile(odd))
    assert controller.statuses(HOME) == {}


@pytest.fixture
def handle() -> Iterator[Callable[[Callable[[], object]], Handler]]:
    logger = logging.getLogger("upshift_agent")
    level = logger.level
    logger.setLevel("INFO")
    handlers = []

    def handle(wrong: Callable[[], object]) -> Handler:
        handlers.append(Handler(wrong))
        logger.addHandler(handlers[-1])
        return handlers[-1]

    yield handle
    logger.setLevel(level)
    for handler in handlers:
        logger.removeHandler(handler)


@pytest.mark.parametrize("error", LOG_ERRORS)
def test_a_log_handler_that_raises_keeps_no_boost_from_ending(
    error: BaseException,
    valkey: RedisServer,
    controller: FakeController,
    handle: Callable[..., Handler],
) -> None:
    handler = handle(lambda: raise_(error))
    comes_back(valkey.url, controller, Hostile(lambda: None))
    assert any("19 Hz" in line for line in handler.lines)


def test_a_log_handler_that_never_returns_keeps_no_boost_from_ending(
    valkey: RedisServer, controller: FakeController, handle: Callable[..., Handler]
) -> None:
    go_on = threading.Event()
    handle(go_on.wait)
    try:
        comes_back(valkey.url, controller, Hostile(Mute))
        for number in range(10_000):
            log.warning("line %d", number)
        assert threading.active_count() < 20
    finally:
        go_on.set()
        log.flush(time.monotonic() + 10)


def test_no_plan_forges_a_line_in_the_applications_log(
    valkey: RedisServer, controller: FakeController, handle: Callable[..., Handler]
) -> None:
    handler = handle(lambda: None)
    driver = RecordingDriver()
    forged = "x\nCRITICAL root: all is lost\r\x1b[2J\x85\u2028" * 1000
    with Agent(redis_url=valkey.url, service="checkout", driver=driver) as agent:
        eventually(lambda: agent.connected)
        for because in ({"alertname": forged, "by": forged}, {"reason": {"a": [forged]}}):
            controller.add(HOME, "boost", hz=100, for_s=60, because=because)
            decision = driver.wait_for(100)
            assert decision.reason.isprintable()
            assert len(decision.reason) <= 1000
            controller.release(HOME)
            driver.wait_for(19)
        controller.publish_raw(HOME, forged)
        controller.publish_raw(HOME, '{"v":1,"target":"service/\\nforged","rev":1}')
        eventually(lambda: agent.status and agent.status.skipped)
    log.flush(time.monotonic() + 10)
    assert handler.lines
    assert all(line.isprintable() and len(line) <= 1000 for line in handler.lines)


def test_every_line_of_the_log_goes_through_one_door() -> None:
    from pathlib import Path

    import upshift_agent

    package = Path(upshift_agent.__file__).parent
    loggers = [it.name for it in package.rglob("*.py") if "getLogger" in it.read_text()]
    assert loggers == ["log.py"]


def test_an_exception_is_described_whatever_its_class_does() -> None:
    assert describe(Mute()) == "Mute: it cannot say why"
    assert describe(Booby()) == "Booby: a trap"
    assert describe(ValueError()) == "ValueError"
    assert len(describe(ValueError("x" * 10_000_000))) <= 500


def test_an_agent_that_dies_leaves_the_profiler_at_rest_and_begins_again(
    valkey: RedisServer, controller: FakeController, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = RecordingDriver()
    with Agent(redis_url=valkey.url, service="checkout", driver=driver) as agent:
        eventually(lambda: agent.connected)
        lease = controller.boost(HOME, hz=100, for_s=60)
        driver.wait_for(100)
        engine = agent._run.engine  # type: ignore[union-attr]
        engine._loop.call_soon_threadsafe(raise_, SystemExit("out of luck"))  # type: ignore[union-attr]
        driver.wait_for(19)
        driver.wait_for(100)  # it has begun again, and read the plan
        controller.release(HOME, lease)
        driver.wait_for(19)


def test_stopped_and_started_again_a_slow_driver_is_in_one_hand_at_a_time(
    valkey: RedisServer,
) -> None:
    driver = OneAtATime()
    agent = Agent(redis_url=valkey.url, service="checkout", driver=driver)
    for _ in range(10):
        agent.start()
        eventually(lambda: driver.inside, every_s=0.001)
        agent.stop(timeout_s=0)
    agent.start()
    eventually(lambda: agent.status and agent.status.state == "applied")
    agent.stop()
    assert driver.most == 1
    assert driver.events[-1] == "close"
    assert "close,close" not in ",".join(driver.events)


def driving_threads() -> list[threading.Thread]:
    return [it for it in threading.enumerate() if it.name == "upshift-driver"]


def test_a_driver_that_hangs_leaves_no_thread_behind_for_each_start(valkey: RedisServer) -> None:
    driver = RecordingDriver()
    driver.returns.clear()
    others = driving_threads()
    agent = Agent(redis_url=valkey.url, service="checkout", driver=driver)
    agent.start()
    eventually(lambda: driver.frequencies)
    for _ in range(10):
        agent.stop(timeout_s=0)
        agent.start()
    eventually(lambda: len([it for it in driving_threads() if it not in others]) <= 2)
    driver.returns.set()
    eventually(lambda: agent.status and agent.status.state == "applied")
    agent.stop()
    assert driver.frequencies[-1] == 19


def test_of_two_agents_with_one_driver_one_drives_and_the_other_says_that_it_waits(
    valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SLOW_AFTER_S", 0.2)
    driver = OneAtATime()
    with Agent(redis_url=valkey.url, service="one", driver=driver) as one:
        eventually(lambda: one.status and one.status.state == "applied")
        with Agent(redis_url=valkey.url, service="two", driver=driver) as two:
            eventually(lambda: two.status and "not returned" in (two.status.error or ""))
            one.stop()
            eventually(lambda: two.status and two.status.state == "applied")
    assert driver.most == 1


@pytest.mark.parametrize("name", [7, "", "a\nb", Mute()])
def test_a_drivers_name_is_one_line(name: object) -> None:
    driver = RecordingDriver()
    driver.name = name  # type: ignore[assignment]
    assert adapt(driver).name.isprintable()
