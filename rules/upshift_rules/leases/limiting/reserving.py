"""What a lease needs of the fleet's budget, and a transition that takes it from there. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from upshift_agent.contract import SERVICE_VERSION, Baseline, Lease

from ...model import Refusal
from ..agents import Agent, profilers
from ..changes import Change, Transition
from ..draft import filter_key
from ..limits import Ledger, Limits
from ..state import TargetState
from ..transition import limited
from .reach import may_raise, meant, raised
from .reservations import MAX_SHARED, Reservation

#: What a lease needs of the budget, where these agents of its target live; None: nothing.
Part = Callable[[str, Lease, Sequence[Agent]], Reservation | None]


def part(
    target: str,
    lease: Lease,
    agents: Sequence[Agent],
    baseline: Baseline,
    limits: Limits,
    *,
    anybody: bool,
) -> Reservation | None:
    """Return what `lease` needs of the budget, if anything.

    agents: the live ones of its target. anybody: whether any agent of the fleet is known to live.
    """
    if lease.cause.origin == "rollout":
        # Of all versions: those of the others will be of this one, when it is rolled out.
        where = {name: it for name, it in lease.where.items() if name != SERVICE_VERSION}
        lease = replace(lease, where=where)
    those = raised(lease, agents, baseline)
    # Whoever reports later was not counted; so it is never none where there could be one.
    count = max(profilers(those), 1) if may_raise(lease, baseline) else 0
    if not agents and limits.by_share and anybody:
        # Alerts name services that nobody profiles, mostly; by default they take no room. Where
        # nobody reports at all, as after an outage, each counts: all may be back at once.
        count = 0
    rule = lease.cause.rule if limits.max_boosts_per_hour is not None else None
    if not count and rule is None:
        return None
    return Reservation(
        target=target,
        rule=rule,
        agents=count,
        known=max(count, profilers(agents)) if count else 0,
        since_ms=lease.since_ms,
        expires_at_ms=lease.expires_at_ms,
        meant=profilers(meant(lease, agents)) if count else 0,
        filter=filter_key(lease.where) if count else "",
        shared=_named(those),
    )


def _named(agents: Iterable[Agent]) -> tuple[str, ...]:
    """The profilers that these agents share, by short names; of too many none, so that each
    counts for each target."""
    shared = {it.profiler for it in agents if it.profiler is not None}
    if len(shared) > MAX_SHARED:
        return ()
    return tuple(
        sorted(hashlib.sha1(it.encode(), usedforsecurity=False).hexdigest()[:12] for it in shared)
    )


def within(
    ledger: Ledger,
    before: TargetState,
    wanted: Sequence[Change],
    agents: Sequence[Agent] | None,
    part: Part,
    first: Transition | None = None,
) -> Transition:
    """Return one target's transition, with its new leases and renewals entered into `ledger`.

    first: as `limited` takes it.
    """
    target, taken = before.target, set[str]()

    def ask(lease: Lease) -> Refusal | None:
        if refusal := ledger.limits.too_fast(lease):
            return refusal
        needed = part(target, lease, agents or ())
        refusal = ledger.take(lease.id, needed) if needed else None
        if refusal is None:
            taken.add(lease.id)
        return refusal

    step = limited(before, wanted, ledger.now_ms, ask, agents, first)
    granted = {lease.id for lease in step.state.leases}
    for lease in taken - granted:  # another refusal made it go
        ledger.drop(lease)
    for renewed in longer(before, step.state):
        if renewed.id not in taken and (needed := part(target, renewed, agents or ())):
            ledger.keep(renewed.id, needed)
    return step


def longer(before: TargetState, after: TargetState) -> list[Lease]:
    """Leases that are new, or run longer than before; but for caps, which raise nobody."""
    ends_ms = {lease.id: lease.expires_at_ms for lease in before.leases}
    return [
        it for it in after.leases if it.kind != "cap" and it.expires_at_ms > ends_ms.get(it.id, 0)
    ]


def ended_early(before: TargetState, after: TargetState, now_ms: int) -> list[Lease]:
    """Leases that this change ends before their time; but for caps."""
    left = {lease.id for lease in after.leases}
    early = (it for it in before.leases if it.expires_at_ms > now_ms)
    return [it for it in early if it.id not in left and it.kind != "cap"]
