"""Drivers that fail, hang and dawdle; and what an agent leaves behind."""

import time
from collections.abc import Callable

import pytest

from contract.statuses import applied_hz
from servers import eventually
from upshift_agent import Agent, Decision
from upshift_agent.driving import progress
from upshift_agent.runtime.log import log
from upshift_agent.testing import FakeController, RecordingDriver

HOME = "service/checkout"
Start = Callable[..., Agent]


def test_a_driver_that_raises_is_a_refusal_with_its_reason_and_is_tried_again(
    start: Start,
    controller: FakeController,
    driver: RecordingDriver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(progress, "FIRST_RETRY_S", 0.05)
    caplog.set_level("WARNING")
    start()
    driver.wait_for(19)
    driver.error = OSError("no permission to profile")
    controller.boost(HOME, hz=100, for_s=60)

    def refused() -> bool:
        (status,) = controller.statuses(HOME).values()
        return status.state == "failed" and status.error == "OSError: no permission to profile"

    eventually(refused)
    eventually(lambda: driver.frequencies.count(100) >= 3)
    log.flush(time.monotonic() + 10)
    assert caplog.text.count("driver failed to set 100 Hz") == 1, "one line, not one for each retry"
    driver.error = None

    def applied() -> bool:
        (status,) = controller.statuses(HOME).values()
        return status.state == "applied" and status.error is None and applied_hz(status) == 100

    eventually(applied)


@pytest.mark.parametrize("error", [SystemExit("1"), KeyboardInterrupt(), GeneratorExit()])
def test_whatever_a_driver_raises_it_is_called_again(
    start: Start, controller: FakeController, error: BaseException
) -> None:
    called: list[int] = []

    def driver(decision: Decision) -> None:
        called.append(decision.hz)
        raise error

    agent = start(driver=driver)
    eventually(lambda: agent.status and agent.status.state == "failed")
    controller.boost(HOME, hz=100, for_s=60)
    eventually(lambda: 100 in called)


def test_the_newest_decision_wins_over_those_that_came_while_the_driver_was_busy(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    agent = start()
    driver.wait_for(19)
    driver.returns.clear()
    controller.boost(HOME, hz=50, for_s=60)
    driver.wait_for(50)
    for hz in (60, 70, 80):
        controller.boost(HOME, hz=hz, for_s=60)
    eventually(lambda: agent.decisions and agent.decisions["cpu"].hz == 80)
    driver.returns.set()
    driver.wait_for(80)
    assert driver.frequencies == [19, 50, 80]


def test_a_driver_that_hangs_is_reported_and_delays_neither_timers_nor_reports(
    start: Start,
    controller: FakeController,
    driver: RecordingDriver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "SLOW_AFTER_S", 0.2)
    agent = start()
    driver.wait_for(19)
    driver.returns.clear()
    controller.boost(HOME, hz=100, for_s=0.5)

    def noticed() -> bool:
        (status,) = controller.statuses(HOME).values()
        return status.state == "applying" and "driver has not returned" in (status.error or "")

    eventually(noticed, within_s=5)
    eventually(lambda: agent.decisions and agent.decisions["cpu"].hz == 19)
    driver.returns.set()
    driver.wait_for(19)


def test_an_agent_that_stops_takes_its_boost_along(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    agent = start()
    controller.boost(HOME, hz=100, for_s=60)
    driver.wait_for(100)
    agent.stop()
    assert driver.frequencies[-1] == 19


def test_a_driver_that_can_be_closed_is_closed_instead(
    start: Start, controller: FakeController
) -> None:
    class Closable(RecordingDriver):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    driver = Closable()
    agent = start(driver=driver)
    controller.boost(HOME, hz=100, for_s=60)
    driver.wait_for(100)
    agent.stop()
    assert (driver.closed, driver.frequencies[-1]) == (1, 100)


def test_stopping_does_not_wait_for_a_driver_that_hangs(
    start: Start, driver: RecordingDriver
) -> None:
    driver.returns.clear()
    agent = start()
    began = time.monotonic()
    agent.stop(timeout_s=0.2)
    assert time.monotonic() - began < 2


def test_an_agent_can_be_started_again_and_starting_twice_is_once(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    agent = start()
    agent.start()
    agent.stop()
    agent.stop()
    agent.start()
    eventually(lambda: agent.connected)
    controller.boost(HOME, hz=100, for_s=60)
    driver.wait_for(100)
    assert len(controller.statuses(HOME)) == 1


def test_a_driver_learns_whose_profiler_it_drives(start: Start, driver: RecordingDriver) -> None:
    known: list[str] = []
    driver.identify = lambda attributes: known.append(attributes["service.name"])  # type: ignore[attr-defined]
    start()
    driver.wait_for(19)
    assert known == ["checkout"]


async def test_an_asyncio_application_uses_the_same_class(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    changed: asyncio.Queue[int] = asyncio.Queue()
    start(driver=lambda decision: loop.call_soon_threadsafe(changed.put_nowait, decision.hz))
    assert await asyncio.wait_for(changed.get(), 10) == 19
    await asyncio.to_thread(controller.boost, HOME, hz=100, for_s=60)
    assert await asyncio.wait_for(changed.get(), 10) == 100


def test_a_driver_may_stop_its_own_agent(start: Start, controller: FakeController) -> None:
    agent: Agent

    def driver(decision: Decision) -> None:
        if decision.hz == 100:
            agent.stop()

    agent = start(driver=driver)
    controller.boost(HOME, hz=100, for_s=60)
    eventually(lambda: not agent.decisions)
    eventually(lambda: controller.statuses(HOME) == {})
