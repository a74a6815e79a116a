"""Windows for tests of what becomes of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import strategies as st

from upshift_host.profiles.window import Window

ATTRIBUTES = {"service.name": "checkout", "deployment.environment.name": "production"}


def window(**given: Any) -> Window:
    fields: dict[str, Any] = {
        "attributes": ATTRIBUTES,
        "profile": "cpu",
        "profiler": "py-spy",
        "hz": 100,
        "began_s": 1_800_000_000.0,
        "ended_s": 1_800_000_010.0,
        "samples": Counter({("main", "pay"): 3, ("main",): 1}),
    }
    return Window(**fields | given)


#: Names as processes have them: anything at all.
names = st.text(max_size=20)
stacks = st.lists(names, min_size=1, max_size=5).map(tuple)
counters = st.dictionaries(stacks, st.integers(1, 10**6), max_size=6)
