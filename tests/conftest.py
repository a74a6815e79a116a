"""Fixtures that every suite shares."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from servers import RedisServer, may_be_left_out, redis_server, what_is_missing

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("upshift", deadline=None)
hypothesis.settings.load_profile("upshift")


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[RedisServer]:
    """A Valkey of this test's own, empty."""
    with redis_server(tmp_path / "valkey") as server:
        yield server


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.servers("amtool")` leaves a test out without that program; in CI it fails."""
    for marker in item.iter_markers("servers"):
        if why := what_is_missing(*marker.args):
            (pytest.skip if may_be_left_out() else pytest.fail)(why)
