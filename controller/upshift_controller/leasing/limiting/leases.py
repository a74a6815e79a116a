"""Which leases a step or a commit makes or ends. Pure."""

from __future__ import annotations

from upshift_rules.leases.state import TargetState


def was_granted(lease: str, state: TargetState) -> bool:
    """Perhaps by another controller, from the same revision and so under the same name."""
    return any(it.id == lease for it in state.leases) or any(
        it.lease == lease for it in state.cases.values()
    )
