"""Statuses: what agents report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .errors import WireError
from .reading import (
    VERSION,
    check_version,
    dump,
    mapping,
    optional_text,
    optional_whole,
    parse,
    revs,
    shorten,
    string,
    string_list,
    strings,
    whole,
)

#: How often an agent reports when nothing changes.
STATUS_INTERVAL_S = 15.0
#: An agent that has not been heard of for longer is lost: dead, frozen or cut off. A report is late
#: by the 5 s that any answer of Redis may take.
STATUS_LOST_MS = 20_000

State = Literal["applying", "applied", "failed"]
STATES: tuple[State, ...] = ("applying", "applied", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """What an agent has resolved to: Hz, the revisions it knows, the lease that decided."""

    hz: int
    revs: Mapping[str, int]
    lease: str | None = None
    reason: str = ""
    until_ms: int | None = None
    clamped_from: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What its driver has confirmed. `achieved_hz` is what the profiler says that it does."""

    hz: int
    revs: Mapping[str, int]
    at_ms: int
    achieved_hz: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One agent's report. `at_ms` and `since_ms` (of `state`) are Redis milliseconds."""

    instance: str
    attributes: Mapping[str, str]
    driver: str
    at_ms: int
    state: State
    since_ms: int
    requested: Requested
    applied: Applied | None = None
    error: str | None = None
    skipped: tuple[str, ...] = ()
    max_hz: int | None = None
    sdk: str = ""


def is_live(status: Status, now_ms: int) -> bool:
    """Whether its agent is there, as far as its last report tells (`now_ms` is Redis time).

    One that claims to come from the future (Redis' clock was set back, or it lies) is no sign.
    """
    return abs(now_ms - status.at_ms) <= STATUS_LOST_MS


def encode_status(status: Status) -> str:
    document: dict[str, Any] = {"v": VERSION}
    for name in Status.__slots__:
        value = getattr(status, name)
        if isinstance(value, Requested | Applied):
            value = {key: getattr(value, key) for key in value.__slots__}
            value["revs"] = dict(value["revs"])
        document[name] = dict(value) if isinstance(value, Mapping) else value
    return dump(document)


def decode_status(message: bytes | str) -> Status:
    """Raise `WireError` on anything that is not a status."""
    document = mapping(parse(message), "status")
    check_version(document, "status")
    state = string(document, "state", "status")
    if state not in STATES:
        raise WireError(f"status.state must be one of {', '.join(STATES)}, got {shorten(state)}")
    requested = mapping(document.get("requested"), "status.requested")
    applied = document.get("applied")
    return Status(
        instance=string(document, "instance", "status"),
        attributes=strings(document.get("attributes", {}), "status.attributes"),
        driver=string(document, "driver", "status"),
        at_ms=whole(document, "at_ms", "status"),
        state=state,
        since_ms=whole(document, "since_ms", "status"),
        requested=Requested(
            hz=whole(requested, "hz", "status.requested"),
            revs=revs(requested, "status.requested"),
            lease=optional_text(requested, "lease", "status.requested"),
            reason=optional_text(requested, "reason", "status.requested") or "",
            until_ms=optional_whole(requested, "until_ms", "status.requested"),
            clamped_from=optional_whole(requested, "clamped_from", "status.requested"),
        ),
        applied=None if applied is None else _applied(mapping(applied, "status.applied")),
        error=optional_text(document, "error", "status"),
        skipped=tuple(string_list(document.get("skipped", []), "status.skipped")),
        max_hz=optional_whole(document, "max_hz", "status"),
        sdk=optional_text(document, "sdk", "status") or "",
    )


def _applied(document: Mapping[str, Any]) -> Applied:
    achieved = document.get("achieved_hz")
    if achieved is not None and (
        isinstance(achieved, bool)
        or not isinstance(achieved, int | float)
        or not 0 <= achieved < 2**63  # also what keeps float() below from overflowing
    ):
        raise WireError(
            f"status.applied.achieved_hz must be a number from 0 up, got {shorten(achieved)}"
        )
    return Applied(
        hz=whole(document, "hz", "status.applied"),
        revs=revs(document, "status.applied"),
        at_ms=whole(document, "at_ms", "status.applied"),
        achieved_hz=None if achieved is None else float(achieved),
    )
