from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.guards.pretending import Pretending, pretending


@pytest.fixture
def server() -> Iterator[Pretending]:
    with pretending() as server:
        yield server
