"""Examples drawn by hypothesis: not to find the smallest one that fails, but to try many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st


def tried(strategy: st.SearchStrategy[Any], times: int, use: Callable[[Any], None]) -> None:
    """Run `use` on `times` examples, the same ones each time; nothing is shrunk or stored."""

    @settings(
        max_examples=times,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(value: Any) -> None:
        use(value)

    run()
