"""From a webhook's receipt to the call of the last driver of a thousand."""

from __future__ import annotations

from ..measuring.row import Line, at_most_times
from ..parts.latency import AGENTS, crowd

NAME = "receipt → last of 1,000 agents"
LINES = [
    Line(NAME, "ms", at_most_times(1.5), curve=(AGENTS, 1000)),
    Line(f"{NAME}, with their reports: CPU", "ms"),
]
ROWS = [crowd(1000, 2, *LINES, seconds=5)]
