"""Fixtures that every suite shares."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import RedisServer, redis_server


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[RedisServer]:
    """A Valkey of this test's own, empty."""
    with redis_server(tmp_path / "valkey") as server:
        yield server


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.servers("amtool")` leaves a test out without that program; in CI it fails."""
    for marker in item.iter_markers("servers"):
        missing = [program for program in marker.args if not shutil.which(program)]
        if missing and os.environ.get("CI") == "true":
            pytest.fail(f"not installed: {', '.join(missing)}", pytrace=False)
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")
