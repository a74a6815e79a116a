"""A controller to hand, for attacks on agents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from servers import RedisServer
from upshift_agent.testing import FakeController


@pytest.fixture
def controller(valkey: RedisServer) -> Iterator[FakeController]:
    controller = FakeController(valkey.url)
    yield controller
    controller.close()
