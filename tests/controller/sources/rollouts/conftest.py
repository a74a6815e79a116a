"""Agents of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from controller.sources.rollouts.living import Agents
from servers import RedisServer


@pytest.fixture
def agents(valkey: RedisServer) -> Iterator[Agents]:
    with ExitStack() as stack:
        yield Agents(valkey.url, stack)
