"""The agent of the node itself. Its target is `node/NAME`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from upshift_agent import Decision, Profile

from ..files.driver import Shared


class NodeDriver:
    """Runs no profiler of its own: whatever of the node is profiled has an agent of its own.

    So it says of every frequency that it achieves none. A profiler that is driven by a file runs
    though it has no workload: then the node's frequency is its.
    """

    name = "none of its own: each workload has an agent"

    def __init__(self, files: Sequence[Shared] = ()) -> None:
        self._files = files
        of_files = [shared.keeper.setup.profile for shared in files]
        self.profiles: tuple[Profile, ...] = tuple(dict.fromkeys(("cpu", *of_files)))

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        for shared in self._files:
            shared.set_node(decisions[shared.keeper.setup.profile].hz)
        return self.achieved() or dict.fromkeys(decisions, 0.0)

    def achieved(self) -> Mapping[Profile, float]:
        """What runs for nobody but the node; nothing of what workloads share."""
        found: dict[Profile, float] = {}
        for shared in self._files:
            profile = shared.keeper.setup.profile
            hz = shared.keeper.reached() if shared.alone else 0.0
            found[profile] = max(hz or 0.0, found.get(profile, 0.0))
        return found

    def close(self) -> None:
        """Whoever runs the files brings them to the baseline."""
