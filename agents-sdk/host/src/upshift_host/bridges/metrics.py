"""What a bridge tells Prometheus of itself: `GET /metrics`. It names no agent. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from upshift_agent.contract import State

#: Of each bridge, beside what both have: what it counts → what that is.
COUNTS: Mapping[str, Mapping[str, str]] = {
    "opamp": {
        "connected": "Supervisors that are connected.",
        "connections": "Connections of supervisors.",
        "turned_away": "Of those, without a token, or one too many.",
        "refused": "Messages that were no OpAMP.",
        "pushed": "Remote configurations that collectors were sent.",
        "failures": "Of these, those that collectors said FAILED of.",
    },
    "elastic": {
        "polls": "Requests for an agent's settings.",
        "merged": "Of these, those that an agent's frequency went into.",
        "passed": "Other requests, which passed through.",
        "failures": "Requests that the APM Server behind did not answer.",
    },
}
_NOW = frozenset({"connected"})


def text(bridge: str, states: Mapping[State, int], counts: Mapping[str, int]) -> str:
    """All metrics in Prometheus's text format. states: how many agents are in which."""
    name = "upshift_bridge_agents"
    lines = [f"# HELP {name} Agents of the bridge.", f"# TYPE {name} gauge"]
    lines += [
        f'{name}{{bridge="{bridge}",state="{it}"}} {count}' for it, count in sorted(states.items())
    ]
    for key, what in COUNTS[bridge].items():
        kind = "gauge" if key in _NOW else "counter"
        name = f"upshift_bridge_{bridge}_{key}" + ("" if key in _NOW else "_total")
        lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}", f"{name} {counts.get(key, 0)}"]
    return "\n".join(lines) + "\n"
