"""How an agent stands to the plans of now: what it should run at, and whether it does. Pure.

What an agent should do comes from `upshift_agent.contract.resolve`, the very function that it
runs itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from upshift_agent.contract import FLEET, Baseline, Plan, Status, canonical, check_target, is_live
from upshift_agent.contract.errors import WireError
from upshift_agent.contract.resolve import Decision, resolve

from ..leasing.reach import resting_hz
from .models import ShownState

#: Service, node, fleet: more than any agent follows. Each is a read from Redis.
MAX_FOLLOWED = 8


def followed(status: Status, target: str) -> set[str]:
    """Return the targets that an agent says it follows, without what is none or too many."""
    named = (name for name in status.requested.revs if is_target(name))
    return {target, FLEET, *islice(named, MAX_FOLLOWED)}


def is_target(name: str) -> bool:
    try:
        return bool(check_target(name))
    except WireError:
        return False


class Standing(NamedTuple):
    """What an agent should run at by the plans of now, and how it stands to that.

    boosted: a boost or a pin takes it above its baseline. applied_hz: what its driver confirmed.
    """

    hz: int
    lost: bool
    converged: bool
    state: ShownState
    boosted: bool
    applied_hz: int | None


def standing(
    target: str, status: Status, plans: Mapping[str, Plan], baseline: Baseline, now_ms: int
) -> Standing:
    _, _, agent = judged(target, status, plans, baseline, now_ms)
    return agent


def judged(
    target: str, status: Status, plans: Mapping[str, Plan], baseline: Baseline, now_ms: int
) -> tuple[Sequence[Plan], Decision, Standing]:
    known = [plans[name] for name in followed(status, target) if name in plans]
    decision = resolve(known, status.attributes, baseline, status.max_hz, now_ms)
    lost = not is_live(status, now_ms)
    above = decision.lease is not None and decision.lease.kind != "cap"
    return (
        known,
        decision,
        Standing(
            hz=decision.hz,
            lost=lost,
            converged=not lost and _converged(status, decision, known),
            state="lost" if lost else status.state,
            boosted=above and decision.hz > resting_hz(canonical(status.attributes), baseline),
            applied_hz=status.applied.hz if status.applied else None,
        ),
    )


def _converged(status: Status, decision: Decision, plans: Iterable[Plan]) -> bool:
    """Applied means applied: the right frequency, from plans no older than ours, confirmed."""
    applied = status.applied
    return (
        status.state == "applied"
        and applied is not None
        and applied.hz == decision.hz
        and all(applied.revs.get(plan.target, 0) >= plan.rev for plan in plans)
    )
