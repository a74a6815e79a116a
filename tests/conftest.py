"""Fixtures that every suite shares."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import RedisServer, redis_server


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[RedisServer]:
    """A Valkey of this test's own, empty."""
    with redis_server(tmp_path / "valkey") as server:
        yield server
