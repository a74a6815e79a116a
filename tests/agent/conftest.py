"""Agents of a test's own, and a controller to hand."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from servers import RedisServer, eventually
from upshift_agent import Agent
from upshift_agent.testing import FakeController, RecordingDriver


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
def start(valkey: RedisServer, driver: RecordingDriver) -> Iterator[Callable[..., Agent]]:
    """Start an agent of service `checkout` that follows, and stop it after the test."""
    with ExitStack() as stack:

        def start(*, follow: bool = True, **arguments: Any) -> Agent:
            defaults = {"redis_url": valkey.url, "service": "checkout", "driver": driver}
            agent = stack.enter_context(Agent(**{**defaults, **arguments}))
            if follow:
                eventually(lambda: agent.connected)
            return agent

        yield start
