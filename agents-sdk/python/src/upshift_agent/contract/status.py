"""Statuses: what agents report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .errors import WireError
from .profiles import PROFILES, Profile
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
class Wanted:
    """What an agent has resolved to for one profile: Hz, and the lease that decided."""

    hz: int
    lease: str | None = None
    reason: str = ""
    until_ms: int | None = None
    clamped_from: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """What an agent wants, by the plans of these revisions, of each profile that it can raise."""

    revs: Mapping[str, int]
    profiles: Mapping[Profile, Wanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What a driver has confirmed for one profile. achieved_hz: what the profiler says it does."""

    hz: int
    achieved_hz: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What its driver has confirmed last, all profiles at once."""

    revs: Mapping[str, int]
    at_ms: int
    profiles: Mapping[Profile, Confirmed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One agent's report. `at_ms` and `since_ms` (of `state`) are Redis milliseconds.

    profiler: names the one that it drives together with other agents; None or empty: one of its
    own.
    """

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
    profiler: str | None = None


def is_live(status: Status, now_ms: int) -> bool:
    """Whether its agent is there, as far as its last report tells (`now_ms` is Redis time).

    One that claims to come from the future (Redis' clock was set back, or it lies) is no sign.
    """
    return abs(now_ms - status.at_ms) <= STATUS_LOST_MS


def encode_status(status: Status) -> str:
    document: dict[str, Any] = {"v": VERSION}
    for name in Status.__slots__:
        document[name] = _plain(getattr(status, name))
    return dump(document)


def _plain(value: Any) -> Any:
    if isinstance(value, Requested | Applied | Wanted | Confirmed):
        return {name: _plain(getattr(value, name)) for name in value.__slots__}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return value


def decode_status(message: bytes | str) -> Status:
    """Raise `WireError` on anything that is not a status."""
    document = mapping(parse(message), "status")
    check_version(document, "status")
    state = string(document, "state", "status")
    if state not in STATES:
        raise WireError(f"status.state must be one of {', '.join(STATES)}, got {shorten(state)}")
    applied = document.get("applied")
    return Status(
        instance=string(document, "instance", "status"),
        attributes=strings(document.get("attributes", {}), "status.attributes"),
        driver=string(document, "driver", "status"),
        at_ms=whole(document, "at_ms", "status"),
        state=state,
        since_ms=whole(document, "since_ms", "status"),
        requested=_requested(mapping(document.get("requested"), "status.requested")),
        applied=None if applied is None else _applied(mapping(applied, "status.applied")),
        error=optional_text(document, "error", "status"),
        skipped=tuple(string_list(document.get("skipped", []), "status.skipped")),
        max_hz=optional_whole(document, "max_hz", "status"),
        sdk=optional_text(document, "sdk", "status") or "",
        profiler=optional_text(document, "profiler", "status"),
    )


def _requested(document: Mapping[str, Any]) -> Requested:
    return Requested(
        revs=revs(document, "status.requested"),
        profiles={
            profile: Wanted(
                hz=whole(wanted, "hz", where),
                lease=optional_text(wanted, "lease", where),
                reason=optional_text(wanted, "reason", where) or "",
                until_ms=optional_whole(wanted, "until_ms", where),
                clamped_from=optional_whole(wanted, "clamped_from", where),
            )
            for profile, wanted, where in _profiles(document, "status.requested")
        },
    )


def _applied(document: Mapping[str, Any]) -> Applied:
    return Applied(
        revs=revs(document, "status.applied"),
        at_ms=whole(document, "at_ms", "status.applied"),
        profiles={
            profile: Confirmed(
                hz=whole(confirmed, "hz", where), achieved_hz=_achieved_hz(confirmed, where)
            )
            for profile, confirmed, where in _profiles(document, "status.applied")
        },
    )


def _profiles(
    document: Mapping[str, Any], where: str
) -> Iterator[tuple[Profile, Mapping[str, Any], str]]:
    """Those that are known here, each with where it stands."""
    where += ".profiles"
    profiles = mapping(document.get("profiles"), where)
    for profile in PROFILES:
        if profile in profiles:
            place = f"{where}.{profile}"
            yield profile, mapping(profiles[profile], place), place


def _achieved_hz(confirmed: Mapping[str, Any], where: str) -> float | None:
    achieved = confirmed.get("achieved_hz")
    if achieved is None:
        return None
    if (
        isinstance(achieved, bool)
        or not isinstance(achieved, int | float)
        or not 0 <= achieved < 2**63  # also what keeps float() below from overflowing
    ):
        raise WireError(f"{where}.achieved_hz must be a number from 0 up, got {shorten(achieved)}")
    return float(achieved)
