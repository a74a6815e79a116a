"""How a target's state is stored, and the fleet's budget: as JSON. Pure.

Only controllers read it, so it may change with the version; agents see `plan_of` a state. That is
read leniently, part by part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from upshift_agent import contract
from upshift_agent.contract import Baseline, Lease, shorten
from upshift_agent.contract.errors import WireError
from upshift_agent.contract.reading import mapping, string, whole

from ..quick_json import dump, loads
from .limiting.reservations import Budget, Reservation
from .state import (
    NOBODY,
    UNSAID,
    Case,
    Configured,
    Episode,
    Forgotten,
    Left,
    NotedRefusal,
    TargetState,
)

_Pair = TypeVar("_Pair", Forgotten, Left, Configured)
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
    if state.stops:
        document["stops"] = dict(state.stops)
    return dump(document)


def _case_json(case: Case) -> dict[str, Any]:
    """Return a case as JSON, with plain tuples: named ones would take orjson's slow way."""
    document: dict[str, Any] = {
        "lease": case.lease,
        "started": case.started_ms,
        "episodes": {
            identity: episode[:] if episode.ended else episode[:2]
            for identity, episode in case.episodes.items()
        },
    }
    if case.cooling_ms:
        document["cooling"] = case.cooling_ms
    if any(case.forgotten):
        document["forgotten"] = case.forgotten[:]
    if any(case.left):
        document["left"] = case.left[:]
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
        left=_pair(Left, document.get("left", ())),
        refusal=_noted_refusal(refusal) if refusal else None,
    )


def _episode(row: Sequence[Any]) -> Episode:
    ended = row[2] if len(row) > 2 else None
    if ended is not None and not isinstance(ended, str):
        raise TypeError(f"an episode ended by {type(ended).__name__}")
    return Episode(_ms(row[0]), _ms(row[1]), *row[2:3])


def _noted_refusal(row: Sequence[Any]) -> NotedRefusal:
    identity, limit, at_ms = row[:3]
    if not (isinstance(identity, str) and isinstance(limit, str)):
        raise TypeError("a refusal without names")
    return NotedRefusal(identity, limit, _ms(at_ms))


def _stop(row: tuple[str, object]) -> tuple[str, str]:
    lease, query = row
    if not isinstance(query, str):
        raise TypeError(f"a stop_if that is no text: {shorten(query)}")
    return lease, query


def _pair(kind: Callable[..., _Pair], row: Sequence[Any]) -> _Pair:
    """Read a pair of times from a list that a newer controller may have made longer."""
    return kind(*(_ms(value) for value in row[:2]))


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
        stops = mapping(document.get("stops", {}), "stops").items()
        baselines = [found for found in (document.get("baseline"),) if found is not None]
        return TargetState(
            target=target,
            rev=rev,
            plan_rev=whole(document, "plan_rev", "state"),
            plan_after=whole(document, "plan_after", "state"),
            leases=tuple(parts(document["leases"], Lease.from_json)),
            cases=dict(parts(cases, lambda row: (row[0], _case(row[1])))),
            baseline=next(parts(baselines, Baseline.from_json), None),
            forgotten=next(forgotten, NOBODY),
            configured=next(configured, UNSAID),
            stops=dict(parts(stops, _stop)),
        )
    except (*_WRONG, WireError) as error:
        raise WireError(f"state of {target} cannot be read: {error!r}") from error


def stored_rev(stored: bytes | None) -> int:
    """Return the revision of a stored state, also of one that cannot be read; 0 for none."""
    found = _PREFIX.match(stored or b"")
    return int(found[1]) if found else 0


def encode_budget(budget: Budget) -> str:
    return contract.dump(budget)


def _reservation(row: Any) -> Reservation:
    it = Reservation(*row[:9])
    if not all(isinstance(name, str) for name in it.shared):
        raise TypeError(f"not a reservation: {it}")
    return it._replace(shared=tuple(it.shared))


def decode_budget(stored: bytes) -> Budget:
    """Read a budget. Raise `ValueError` or `TypeError` for what `encode_budget` never wrote."""
    try:
        document = json.loads(stored)
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(document, dict):
        raise TypeError("not an object")
    # A newer controller's rows may be longer.
    budget = {lease: _reservation(row) for lease, row in document.items()}
    for it in budget.values():
        texts = isinstance(it.target, str) and isinstance(it.filter, str)
        named = texts and isinstance(it.rule, str | None)
        # Beyond that it is no time, and `PX` takes none of it.
        if not named or not all(isinstance(n, int) and 0 <= n < 2**53 for n in it[2:7]):
            raise TypeError(f"not a reservation: {it}")
    return budget
