"""The agent of the node itself. Its target is `node/NAME`."""

from __future__ import annotations

from collections.abc import Mapping

from upshift_agent import Decision, Profile


class NodeDriver:
    """Runs no profiler of its own: whatever of the node is profiled has an agent of its own.

    So it says of every frequency that it achieves none.
    """

    name = "none of its own: each workload has an agent"
    profiles: tuple[Profile, ...] = ("cpu",)

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        return dict.fromkeys(decisions, 0.0)

    def close(self) -> None:
        """Nothing runs."""
