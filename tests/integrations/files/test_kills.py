"""500 random kills, full disks and bad reloads over every preset."""

from __future__ import annotations

import pytest

from host.files.conftest import World, world
from host.files.kills import kill_and_restore

__all__ = ["world"]  # a fixture


@pytest.mark.timeout(900)
def test_500_kills_leave_every_file_at_the_baseline(world: World) -> None:
    kill_and_restore(world, 500)
