"""How one target's state changes: (state, changes, now) → (next state, outcomes, history).

Pure. `now_ms` is Redis time, so that controllers with different clocks agree. A change that leaves
the state equal writes nothing at all, which is what makes a duplicate webhook free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from . import boosts, overrides
from .changes import Change, Override, Release, SetBaseline, Transition
from .draft import Draft
from .model import Claim, Outcome
from .state import TargetState


def transition(state: TargetState, changes: Sequence[Change], now_ms: int) -> Transition:
    """Apply `changes` in order, after ending what has expired by `now_ms`."""
    draft = Draft(state, now_ms)
    draft.expire()
    outcomes = tuple(_apply(draft, change) for change in changes)
    return Transition(state=draft.finish(), outcomes=outcomes, entries=tuple(draft.entries))


def _apply(draft: Draft, change: Change) -> Outcome:
    match change:
        case Claim(alert=alert) if alert.status == "firing":
            return boosts.fire(draft, change)
        case Claim():
            return boosts.resolve(draft, change)
        case Override():
            return overrides.override(draft, change)
        case Release():
            return overrides.release(draft, change)
        case SetBaseline():
            return overrides.set_baseline(draft, change)


def revised(before: TargetState, after: TargetState, now_us: int) -> TargetState:
    """`after` under its new revision: it keeps growing, also when Redis has lost its data.

    The plan's revision moves only when agents would see a difference; else they are left alone.
    """
    rev = max(before.rev + 1, now_us)
    visible = (before.leases, before.baseline) != (after.leases, after.baseline)
    return _published(before, after, rev) if visible else replace(after, rev=rev)


def republished(state: TargetState, now_us: int) -> TargetState:
    """The same under a new revision, for state and plan to be written, and signed, anew."""
    return _published(state, state, max(state.rev + 1, now_us))


def _published(before: TargetState, after: TargetState, rev: int) -> TargetState:
    return replace(after, rev=rev, plan_rev=rev, plan_after=before.plan_rev)
