"""How one target's state changes: (state, changes, now) → (next state, outcomes, history).

Pure. `now_ms` is Redis time, so that controllers with different clocks agree. A change that leaves
the state equal writes nothing at all, which is what makes a duplicate webhook free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from types import MappingProxyType
from typing import cast

from upshift_agent.contract import Lease

from ..model import Claim, Outcome, Refusal
from . import boosts, overrides
from .agents import Agent
from .changes import Aim, Change, Override, Release, Scheduled, SetBaseline, Stop, Transition
from .draft import Draft
from .state import TargetState

NOTHING: Mapping[str, Refusal] = MappingProxyType({})


def transition(
    state: TargetState,
    changes: Sequence[Change],
    now_ms: int,
    refused: Mapping[str, Refusal] = NOTHING,
    agents: Sequence[Agent] | None = None,
) -> Transition:
    """Apply `changes` in order, after ending what has expired by `now_ms`.

    Alerts that stand side by side have an order of their own: see `boosts.in_turn`.

    `refused`: leases that a limit forbids, by id. Ids do not depend on what is refused, so the
    caller runs this once to see which leases it would grant, and again with the refusals.
    `agents`: the live ones of the target, where it matters whom a lease is to reach.
    """
    draft = Draft(state, now_ms, refused, agents)
    draft.expire()
    outcomes = _outcomes(draft, changes)
    return Transition(state=draft.finish(), outcomes=outcomes, entries=tuple(draft.entries))


def _outcomes(draft: Draft, changes: Sequence[Change]) -> tuple[Outcome, ...]:
    if len(changes) == 1:
        return (_apply(draft, changes[0]),)
    outcomes: list[Outcome] = []
    for are_claims, run in groupby(changes, lambda change: isinstance(change, Claim)):
        if are_claims:
            claims = cast("list[Claim]", list(run))
            answers = {at: _trigger(draft, claims[at]) for at in boosts.in_turn(draft, claims)}
            outcomes += [answers[at] for at in range(len(claims))]
        else:
            outcomes += [_apply(draft, change) for change in run]
    return tuple(outcomes)


def limited(
    state: TargetState,
    changes: Sequence[Change],
    now_ms: int,
    ask: Callable[[Lease], Refusal | None],
    agents: Sequence[Agent] | None = None,
    first: Transition | None = None,
) -> Transition:
    """Call `transition`, and `ask` once for each new lease: what that refuses is not granted.

    first: what `transition` says where nothing is refused, if that is known.
    """
    refused: dict[str, Refusal] = {}
    asked = {lease.id for lease in state.leases}
    while True:
        step = first or transition(state, changes, now_ms, refused, agents)
        first = None
        before = len(refused)
        for lease in step.state.leases:
            if lease.id not in asked:
                asked.add(lease.id)
                if refusal := ask(lease):
                    refused[lease.id] = refusal
        if len(refused) == before:
            return step


def _apply(draft: Draft, change: Change) -> Outcome:
    match change:
        case Claim():
            return _trigger(draft, change)
        case Override():
            return overrides.override(draft, change)
        case Scheduled():
            return overrides.scheduled(draft, change)
        case Release():
            return overrides.release(draft, change)
        case Stop():
            return overrides.stop(draft, change)
        case SetBaseline():
            return overrides.set_baseline(draft, change)
        case Aim():
            return overrides.aim(draft)


def _trigger(draft: Draft, claim: Claim) -> Outcome:
    act = boosts.fired if claim.trigger.status == "firing" else boosts.resolved
    return act(draft, claim)


def revised(before: TargetState, after: TargetState, now_us: int) -> TargetState:
    """Return `after` under its new revision, which grows also when Redis has lost its data.

    The plan's revision moves only when agents would see a difference; else they are left alone.
    """
    rev = max(before.rev + 1, before.plan_rev + 1, now_us)
    visible = (before.leases, before.baseline) != (after.leases, after.baseline)
    return _published(before, after, rev) if visible else replace(after, rev=rev)


def republished(state: TargetState, now_us: int) -> TargetState:
    """Return a state under a new revision, so that it and its plan are written and signed anew."""
    return _published(state, state, max(state.rev + 1, state.plan_rev + 1, now_us))


def _published(before: TargetState, after: TargetState, rev: int) -> TargetState:
    return replace(after, rev=rev, plan_rev=rev, plan_after=before.plan_rev)
