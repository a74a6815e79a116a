"""All that the controller knows of one target: one document, committed whole or not at all.

What belongs here: the shape of that document and its JSON. How it changes is in `transition`.
Only controllers read it, so it may change with the version; agents see `plan_of` it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

from upshift_agent.contract import Baseline, Lease, Plan, shorten
from upshift_agent.contract.errors import WireError
from upshift_agent.contract.reading import mapping, string, whole

from ..quick_json import dump, loads


class Episode(NamedTuple):
    """One firing of one trigger: see `boosts`, which owns what it means.

    began_ms: the newest `startsAt` heard of it, by the sender's clock.
    until_ms: it has fired until then at least: when that was heard, within `HEARD_EVERY_MS`; of one
    that has resolved, when it did, by the sender's clock.
    ended: why it has no claim on a boost any more.
    """

    began_ms: int
    until_ms: int
    ended: str | None = None


RESOLVED, RELEASED = "resolved", "released"


class Forgotten(NamedTuple):
    """What is known of alerts that are too many to be remembered one by one.

    until_ms: the latest that one of them was known to fire. heard_ms: when one of them was heard,
    or forgotten.
    """

    until_ms: int = 0
    heard_ms: int = 0

    def may_hold(self, starts_at_ms: int, newest_ms: int) -> bool:
        """Whether an alert that began then may be one of them; what is after `newest_ms` is not."""
        return self.heard_ms > 0 and starts_at_ms <= min(self.until_ms, newest_ms)


NOBODY = Forgotten()


@dataclass(frozen=True, slots=True)
class Told:
    """A refusal that the history has an entry of, so that repeats add no other.

    identity: the refused trigger's. limit: which one refused. at_ms: when, in Redis ms.
    """

    identity: str
    limit: str
    at_ms: int


class Case(NamedTuple):
    """What is remembered of one rule in one scope (see `draft.scope_key`).

    lease: its last boost. started_ms: when that one started, however often it was renewed or taken
    up again; 0 when it is over. cooling_ms: no boost for a new episode before.
    episodes: by the identity of the trigger; the newest one of each.
    """

    lease: str = ""
    started_ms: int = 0
    cooling_ms: int = 0
    episodes: dict[str, Episode] = {}  # noqa: RUF012  # never changed in place: see `Draft.remember`
    forgotten: Forgotten = NOBODY
    refusal: Told | None = None


class Configured(NamedTuple):
    """Since when a configuration's baseline is in force, and when its controller last said so.

    Both in Redis ms.
    """

    since_ms: int = 0
    seen_ms: int = 0


UNSAID = Configured()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """All that is known of one target. Times in Redis milliseconds.

    rev: this document's revision; plan_rev: that of the plan published last; plan_after: that of
    the plan published before that one.
    forgotten: alerts of cases that are not remembered themselves.
    configured: since when `baseline` is in force.
    """

    target: str
    rev: int = 0
    plan_rev: int = 0
    plan_after: int = 0
    leases: tuple[Lease, ...] = ()
    cases: Mapping[str, Case] = field(default_factory=dict)
    forgotten: Forgotten = NOBODY
    baseline: Baseline | None = None
    configured: Configured = UNSAID

    @property
    def next_expiry_ms(self) -> int | None:
        return min((lease.expires_at_ms for lease in self.leases), default=None)


def plan_of(state: TargetState, now_ms: int) -> Plan:
    """Return the plan of a state: what agents get to see of it."""
    return Plan(
        target=state.target,
        rev=state.plan_rev,
        after=state.plan_after,
        now_ms=now_ms,
        leases=state.leases,
        baseline=state.baseline,
    )


def state_of(plan: Plan) -> TargetState:
    """Return a state made of its plan, for one that is lost: at revision 0, to be written anew."""
    return TargetState(
        target=plan.target, plan_rev=plan.rev, leases=plan.leases, baseline=plan.baseline
    )


_Pair = TypeVar("_Pair", Forgotten, Configured)
_Part = TypeVar("_Part")

#: `commit.lua` finds the revision with this prefix, without reading the document.
_PREFIX = re.compile(rb'^\{"rev":([1-9]\d{0,15}),')


def encode_state(state: TargetState) -> str:
    document: dict[str, Any] = {
        "rev": state.rev,
        "plan_rev": state.plan_rev,
        "plan_after": state.plan_after,
        "leases": [lease.to_json() for lease in state.leases],
        "cases": {scope: _case_json(case) for scope, case in state.cases.items()},
    }
    if any(state.forgotten):
        document["forgotten"] = state.forgotten[:]
    if state.baseline is not None:
        document["baseline"] = state.baseline.to_json()
        document["configured"] = state.configured[:]
    return dump(document)


def _case_json(case: Case) -> dict[str, Any]:
    """Return a case as JSON, with plain tuples: named ones would take orjson's slow way."""
    document: dict[str, Any] = {
        "lease": case.lease,
        "started": case.started_ms,
        "episodes": {
            identity: it[:] if it.ended else it[:2] for identity, it in case.episodes.items()
        },
    }
    if case.cooling_ms:
        document["cooling"] = case.cooling_ms
    if any(case.forgotten):
        document["forgotten"] = case.forgotten[:]
    if case.refusal is not None:
        refusal = case.refusal
        document["refusal"] = [refusal.identity, refusal.limit, refusal.at_ms]
    return document


def _case(value: object) -> Case:
    document = mapping(value, "case")
    refusal = document.get("refusal")
    return Case(
        lease=string(document, "lease", "case") if "lease" in document else "",
        started_ms=_ms(document.get("started", 0)),
        cooling_ms=_ms(document.get("cooling", 0)),
        episodes={
            identity: _episode(row)
            for identity, row in mapping(document.get("episodes", {}), "episodes").items()
        },
        forgotten=_pair(Forgotten, document.get("forgotten", ())),
        refusal=_told(refusal) if refusal else None,
    )


def _episode(row: Sequence[Any]) -> Episode:
    ended = row[2] if len(row) > 2 else None
    if ended is not None and not isinstance(ended, str):
        raise TypeError(f"an episode ended by {type(ended).__name__}")
    return Episode(_ms(row[0]), _ms(row[1]), *row[2:3])


def _told(row: Sequence[Any]) -> Told:
    identity, limit, at_ms = row[:3]
    if not (isinstance(identity, str) and isinstance(limit, str)):
        raise TypeError("a refusal without names")
    return Told(identity, limit, _ms(at_ms))


def _pair(kind: Callable[..., _Pair], row: Sequence[Any]) -> _Pair:
    """Read a pair of times from a list that a newer controller may have made longer."""
    return kind(*(_ms(it) for it in row[:2]))


def _ms(value: object) -> int:
    """Return a time or a count; anything else would raise later, in the middle of a change."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        raise ValueError(f"not a whole number: {shorten(value)}")
    return value


#: Every way in which a document of the wrong shape shows.
_WRONG = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


def decode_state(
    target: str, stored: bytes | None, skip: Callable[[str], None] = lambda _: None
) -> TargetState:
    """Return the state that is stored, or an empty one. Raise `WireError` if it cannot be read.

    A part that cannot be read takes no other with it: `skip` is called with why it is left out.
    """
    if stored is None:
        return TargetState(target=target)

    def parts(rows: Iterable[Any], read: Callable[[Any], _Part]) -> Iterator[_Part]:
        for row in rows:
            try:
                yield read(row)
            except (*_WRONG, WireError) as error:
                skip(f"{error!r}, in {shorten(row)}")

    try:
        document = loads(stored)
        if not isinstance(document, dict):
            raise TypeError("not an object")
        rev = whole(document, "rev", "state")
        if rev != stored_rev(stored):
            raise ValueError("its revision is not written as a commit writes it")
        cases = mapping(document.get("cases", {}), "cases").items()
        forgotten = parts([document.get("forgotten", ())], partial(_pair, Forgotten))
        configured = parts([document.get("configured", ())], partial(_pair, Configured))
        baselines = [it for it in (document.get("baseline"),) if it is not None]
        return TargetState(
            target=target,
            rev=rev,
            plan_rev=whole(document, "plan_rev", "state"),
            plan_after=whole(document, "plan_after", "state"),
            leases=tuple(parts(document["leases"], Lease.from_json)),
            cases=dict(parts(cases, lambda it: (it[0], _case(it[1])))),
            baseline=next(parts(baselines, Baseline.from_json), None),
            forgotten=next(forgotten, NOBODY),
            configured=next(configured, UNSAID),
        )
    except (*_WRONG, WireError) as error:
        raise WireError(f"state of {target} cannot be read: {error!r}") from error


def stored_rev(stored: bytes | None) -> int:
    """Return the revision of a stored state, also of one that cannot be read; 0 for none."""
    found = _PREFIX.match(stored or b"")
    return int(found[1]) if found else 0
