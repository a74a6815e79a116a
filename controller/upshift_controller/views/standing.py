"""How an agent stands to the plans of now: what it should run at, and whether it does. Pure.

What an agent should do comes from `upshift_agent.contract.resolve`, the very function that it
runs itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from upshift_agent.contract import (
    PROFILES,
    Baseline,
    Plan,
    Profile,
    Status,
    canonical,
    check_target,
    is_live,
)
from upshift_agent.contract.errors import WireError
from upshift_agent.contract.resolve import Decision, resolve
from upshift_rules.leases.limiting.reach import follows, resting_hz

from .agent_models import ShownState

#: Service, node, fleet: more than any agent follows. Each is a read from Redis.
MAX_FOLLOWED = 8

#: Of some profiles, in the order of `PROFILES`.
Frequencies = tuple[tuple[Profile, int], ...]
Decisions = Mapping[Profile, Decision]


def followed(status: Status, target: str) -> set[str]:
    """Return the targets that an agent follows, whether or not it has heard of their plans; and
    what it says that it follows, without what is none or too many."""
    named = (name for name in status.requested.revs if is_target(name))
    return {*follows(status.attributes, target), *islice(named, MAX_FOLLOWED)}


def is_target(name: str) -> bool:
    try:
        return bool(check_target(name))
    except WireError:
        return False


class Standing(NamedTuple):
    """What an agent should run at by the plans of now, and how it stands to that.

    boosted: a boost or a pin takes one of its profiles above the baseline. applied: what its driver
    confirmed of them.
    """

    requested: Frequencies
    lost: bool
    converged: bool
    state: ShownState
    boosted: bool
    applied: Frequencies


def standing(
    target: str, status: Status, plans: Mapping[str, Plan], baseline: Baseline, now_ms: int
) -> Standing:
    _, _, agent = judged(target, status, plans, baseline, now_ms)
    return agent


def judged(
    target: str, status: Status, plans: Mapping[str, Plan], baseline: Baseline, now_ms: int
) -> tuple[Sequence[Plan], Decisions, Standing]:
    """Return the plans that an agent follows, what each of its profiles should do, and how it
    stands to that. Loops are written out: there may be 10,000 agents to an answer."""
    known = [plans[name] for name in followed(status, target) if name in plans]
    wanted, attributes, most = status.requested.profiles, status.attributes, status.max_hz
    decisions = {
        profile: resolve(known, attributes, baseline, most, now_ms, profile)
        for profile in PROFILES
        if profile in wanted
    }
    confirmed = {} if status.applied is None else status.applied.profiles
    lost = not is_live(status, now_ms)
    standing = Standing(
        requested=tuple([(profile, it.hz) for profile, it in decisions.items()]),
        lost=lost,
        converged=not lost and _converged(status, decisions, known),
        state="lost" if lost else status.state,
        boosted=_boosted(status, decisions, baseline),
        applied=tuple([(it, confirmed[it].hz) for it in decisions if it in confirmed]),
    )
    return known, decisions, standing


def _boosted(status: Status, decisions: Decisions, baseline: Baseline) -> bool:
    for profile, it in decisions.items():
        if it.lease is None or it.lease.kind == "cap":
            continue
        if it.hz > resting_hz(canonical(status.attributes), baseline, profile):
            return True
    return False


def _converged(status: Status, decisions: Decisions, plans: Iterable[Plan]) -> bool:
    """Applied means applied: every profile at the right frequency, from plans no older than ours,
    confirmed."""
    applied = status.applied
    if status.state != "applied" or applied is None:
        return False
    for profile, it in decisions.items():
        confirmed = applied.profiles.get(profile)
        if confirmed is None or confirmed.hz != it.hz:
            return False
    for plan in plans:  # noqa: SIM110  # as `judged` says
        if applied.revs.get(plan.target, 0) < plan.rev:
            return False
    return True
