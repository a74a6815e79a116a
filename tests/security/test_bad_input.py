"""The small size of the rows of bad input."""

from pathlib import Path

import pytest

from reliability import bad_input
from reliability.table import Fault, Size


@pytest.mark.parametrize(
    "row", [bad_input.api, bad_input.webhook, bad_input.documents, bad_input.connections]
)
def test_bad_input_is_refused_and_changes_nothing(row: Fault, tmp_path: Path) -> None:
    result = row(tmp_path, Size(full=False))
    print(f"{result.fault}: {result.injected:,} inputs; {result.worst}")  # noqa: T201  # asked for
    assert result.held, "\n".join(result.broken[:10])
    assert result.injected > 50
