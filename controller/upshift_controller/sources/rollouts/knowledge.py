"""What is known of the versions of services. Data, and how it is stored; no decisions, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from upshift_agent.contract import (
    SERVICE_VERSION,
    VERSION_SCOPE,
    check_target,
    is_plain,
    service_target,
)
from upshift_agent.contract.errors import WireError
from upshift_rules.quick_json import dump, loads

#: How a version came to live, the last time.
Came = Literal[
    "first",  # there was no other of its service
    "learnt",  # it was found when nothing was known yet
    "restart",  # it had been away, and no other had taken its place
    "rollout",
    "missed",  # it may be a rollout, of a time when nobody looked
]
_CAME = frozenset(get_args(Came))

#: Whose versions they are: attributes and their values, in the order of their names.
Scope = tuple[tuple[str, str], ...]


class Known(NamedTuple):
    """One version. Times in Redis ms.

    live: whether some agent of it is. since_ms: when its present life, or its last one, was seen to
    begin. last_ms: its last report, once it is not live any more.
    told: whether the trigger has been told, where it came as a rollout.
    """

    live: bool
    since_ms: int
    last_ms: int
    came: Came
    told: bool = True


class Service(NamedTuple):
    """newest: the version that was rolled out last; empty where nobody saw which it is."""

    newest: str
    versions: Mapping[str, Known]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """began_ms: since when there is any. looked_ms: when it was last brought up to date.
    resumed_ms: since when that has been done without a pause."""

    began_ms: int
    looked_ms: int
    resumed_ms: int
    services: Mapping[Scope, Service] = field(default_factory=dict)


def named(attributes: Mapping[str, str]) -> tuple[Scope, str]:
    """Return whose version it is, and which, by the attributes of a report."""
    scope = tuple(sorted(it for it in attributes.items() if it[0] != SERVICE_VERSION))
    return scope, attributes[SERVICE_VERSION]


def encode(known: Knowledge) -> str:
    return dump(
        {
            "began": known.began_ms,
            "looked": known.looked_ms,
            "resumed": known.resumed_ms,
            "services": [
                [dict(scope), it.newest, {name: row[:] for name, row in it.versions.items()}]
                for scope, it in known.services.items()
            ],
        }
    )


def decode(stored: bytes) -> Knowledge:
    """Raise `ValueError` or `TypeError` for what `encode` never wrote."""
    try:
        document = loads(stored)
        if not isinstance(document, dict):
            raise TypeError("not an object")
        services = {
            _scope(row[0]): Service(_text(row[1]), _versions(row[2]))
            for row in document["services"]
        }
        return Knowledge(
            began_ms=_ms(document["began"]),
            looked_ms=_ms(document["looked"]),
            resumed_ms=_ms(document["resumed"]),
            services=services,
        )
    except (LookupError, AttributeError, RecursionError, WireError) as error:
        raise ValueError(f"not what is known of versions: {error!r}") from error


def _scope(said: Mapping[str, object]) -> Scope:
    scope = {name: _text(value) for name, value in said.items()}
    if not scope.keys() <= frozenset(VERSION_SCOPE):
        raise TypeError("attributes that name no version")
    check_target(service_target(scope[VERSION_SCOPE[0]]))
    return tuple(sorted(scope.items()))


def _versions(said: Mapping[str, list[object]]) -> dict[str, Known]:
    found = {}
    for name, (live, since_ms, last_ms, came, told, *_) in said.items():
        if came not in _CAME or not (isinstance(live, bool) and isinstance(told, bool)):
            raise TypeError(f"not a version: {name}")
        found[_text(name)] = Known(live, _ms(since_ms), _ms(last_ms), came, told)  # type: ignore[arg-type]  # of _CAME, as was seen
    return found


def _text(value: object) -> str:
    if not isinstance(value, str) or not is_plain(value):
        raise TypeError("not text")
    return value


def _ms(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise TypeError("not a time")
    return value
