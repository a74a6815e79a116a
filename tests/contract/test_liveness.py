"""Whether an agent is there is judged in one place, by when it was last heard of."""

from __future__ import annotations

import pytest

from upshift_agent.contract import Status, is_live

from .statuses import requested


def heard_of(at_ms: int) -> Status:
    return Status(
        instance="a",
        attributes={},
        driver="d",
        at_ms=at_ms,
        state="applied",
        since_ms=1,
        requested=requested(19),
    )


@pytest.mark.parametrize(
    ("at_ms", "live"),
    [(1_000_000, True), (980_000, True), (979_999, False), (1_020_001, False), (2**62, False)],
)
def test_an_agent_is_live_until_a_report_is_5_s_late(at_ms: int, live: bool) -> None:
    """And one that reports from the future is not live for ever."""
    assert is_live(heard_of(at_ms), 1_000_000) is live
