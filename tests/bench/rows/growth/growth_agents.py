"""How the way to the last agent grows with the agents."""

from __future__ import annotations

from ...measuring.row import Line, Row
from ...parts.latency import AGENTS, crowd
from ..thousand_agents import ROWS as THOUSAND


def of(agents: int) -> Row:
    name = f"growth: {AGENTS}: {agents:,}"
    line = Line(name, "ms", curve=(AGENTS, agents))
    return crowd(agents, min(2, agents), line, blocks=1, compared=False)


ROWS = [*map(of, (1, 10, 100)), *THOUSAND]
