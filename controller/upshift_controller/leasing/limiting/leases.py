"""Which leases a step or a commit makes, prolongs or ends. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upshift_agent.contract import Lease
from upshift_rules.leases.state import TargetState

if TYPE_CHECKING:
    from ..ports import Write


def was_granted(lease: str, state: TargetState) -> bool:
    """Perhaps by another controller, from the same revision and so under the same name."""
    return any(it.id == lease for it in state.leases) or any(
        it.lease == lease for it in state.cases.values()
    )


def longer(before: TargetState, after: TargetState) -> list[Lease]:
    """Leases that are new, or run longer than before; but for caps, which raise nobody."""
    ends_ms = {lease.id: lease.expires_at_ms for lease in before.leases}
    return [
        it for it in after.leases if it.kind != "cap" and it.expires_at_ms > ends_ms.get(it.id, 0)
    ]


def ended_early(write: Write) -> list[Lease]:
    left = {lease.id for lease in write.after.leases}
    early = (it for it in write.before.leases if it.expires_at_ms > write.now_ms)
    return [it for it in early if it.id not in left and it.kind != "cap"]
