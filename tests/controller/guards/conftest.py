from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.guards.pretending import Pretending, pretending
from upshift_controller.leasing.guarding import only_if
from upshift_controller.sources.prometheus import asker, connected


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretending]:
    """In the place of Prometheus; it is waited for as long as it takes, unless a test has it
    otherwise."""
    for module in (asker, connected, only_if):
        monkeypatch.setattr(module, "PATIENCE_S", 30.0)
    with pretending() as server:
        yield server
