"""Agents of a test's own, and a controller to hand."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from servers import RedisServer, eventually
from upshift_agent import Agent
from upshift_agent.runtime.log import log
from upshift_agent.testing import FakeController, RecordingDriver

HOME = "service/checkout"
Start = Callable[..., Agent]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    log.flush(time.monotonic() + 10)  # a thread hands lines over
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.fixture
def controller(valkey: RedisServer) -> Iterator[FakeController]:
    controller = FakeController(valkey.url)
    yield controller
    controller.close()


@pytest.fixture
def driver() -> Iterator[RecordingDriver]:
    driver = RecordingDriver()
    yield driver
    driver.returns.set()  # no thread outlives its test


@pytest.fixture
def start(valkey: RedisServer, driver: RecordingDriver) -> Iterator[Start]:
    """Start an agent of service `checkout` that follows, and stop it after the test."""
    with ExitStack() as stack:

        def start(*, follow: bool = True, **arguments: Any) -> Agent:
            defaults = {"redis_url": valkey.url, "service": "checkout", "driver": driver}
            agent = stack.enter_context(Agent(**{**defaults, **arguments}))
            if follow:
                eventually(lambda: agent.connected)
            return agent

        yield start
