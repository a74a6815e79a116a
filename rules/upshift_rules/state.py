"""All that the controller knows of one target: one document, committed whole or not at all.

What belongs here: the shape of that document and its JSON. How it changes is in `transition`.
Only controllers read it, so it may change with the version; agents see `plan_of` it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from upshift_agent.errors import WireError
from upshift_agent.wire import Baseline, Lease, Plan

from .quick_json import dump, loads


class Episode(NamedTuple):
    """One firing episode of one alert (fingerprint, startsAt) that a boost was granted for.

    since_ms: when it first counted. ended: why it counts no more; a late repeat changes nothing.
    """

    lease: str
    since_ms: int
    ended: Literal["resolved", "released"] | None = None
    ended_ms: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """A refusal that the history has, so that it is not told again while it lasts.

    episode: of the alert that was refused; limit: by which; at_ms: when.
    """

    episode: str
    limit: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """rev: of this document; plan_rev: of the plan published last. Times in Redis milliseconds.

    plan_after: of the plan published before that one.

    cooldowns: scope (see `draft.scope_key`) → no new boost before.
    refusals: scope → its boost was refused.
    """

    target: str
    rev: int = 0
    plan_rev: int = 0
    plan_after: int = 0
    leases: tuple[Lease, ...] = ()
    episodes: Mapping[str, Episode] = field(default_factory=dict)
    cooldowns: Mapping[str, int] = field(default_factory=dict)
    refusals: Mapping[str, Told] = field(default_factory=dict)
    baseline: Baseline | None = None

    @property
    def next_expiry_ms(self) -> int | None:
        return min((lease.expires_at_ms for lease in self.leases), default=None)


def plan_of(state: TargetState, now_ms: int) -> Plan:
    """What the agents get to see."""
    return Plan(
        target=state.target,
        rev=state.plan_rev,
        after=state.plan_after,
        now_ms=now_ms,
        leases=state.leases,
        baseline=state.baseline,
    )


#: `commit.lua` finds the revision with this prefix, without reading the document.
_PREFIX = re.compile(rb'^\{"rev":(\d+),')


def encode_state(state: TargetState) -> str:
    document: dict[str, Any] = {
        "rev": state.rev,
        "plan_rev": state.plan_rev,
        "plan_after": state.plan_after,
        "leases": [lease.to_json() for lease in state.leases],
        "episodes": {
            key: [it.lease, it.since_ms, *([it.ended, it.ended_ms] if it.ended else [])]
            for key, it in state.episodes.items()
        },
        "cooldowns": dict(state.cooldowns),
    }
    if state.refusals:
        document["refusals"] = {
            scope: [it.episode, it.limit, it.at_ms] for scope, it in state.refusals.items()
        }
    if state.baseline is not None:
        document["baseline"] = state.baseline.to_json()
    return dump(document)


def decode_state(target: str, stored: bytes | None) -> TargetState:
    """The state that is stored, or an empty one. Raise `WireError` when it cannot be read."""
    if stored is None:
        return TargetState(target=target)
    try:
        document = loads(stored)
        if not isinstance(document, dict):
            raise TypeError("not an object")
        baseline = document.get("baseline")
        return TargetState(
            target=target,
            rev=int(document["rev"]),
            plan_rev=int(document["plan_rev"]),
            plan_after=int(document["plan_after"]),
            leases=tuple(Lease.from_json(row) for row in document["leases"]),
            episodes={key: Episode(*row) for key, row in document["episodes"].items()},
            cooldowns={key: int(until) for key, until in document["cooldowns"].items()},
            refusals={scope: Told(*row) for scope, row in document.get("refusals", {}).items()},
            baseline=None if baseline is None else Baseline.from_json(baseline),
        )
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise WireError(f"state of {target} cannot be read: {error!r}") from error


def stored_rev(stored: bytes | None) -> int:
    """The revision of a stored state, also of one that cannot be read; 0 for none."""
    found = _PREFIX.match(stored or b"")
    return int(found[1]) if found else 0
