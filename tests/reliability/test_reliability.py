"""The small size of every row."""

from pathlib import Path

import pytest

from .rows import FAULTS, NEEDS
from .table import Size


@pytest.mark.parametrize(
    "name", [pytest.param(it, marks=pytest.mark.servers(*NEEDS.get(it, ()))) for it in FAULTS]
)
def test_the_promise_holds_under(name: str, tmp_path: Path) -> None:
    row = FAULTS[name](tmp_path, Size(full=False))
    assert row.held, "\n".join(row.broken)
