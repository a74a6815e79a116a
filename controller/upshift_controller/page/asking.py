"""What a form asks for, checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from upshift_agent.contract import MAX_HZ, Kind, check_target
from upshift_agent.contract.errors import WireError
from upshift_rules.durations import parse_duration

from ..errors import Refused

KINDS = ("boost", "pin", "cap")
MAX_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A lease on cpu that somebody wants. duration: as it was typed."""

    target: str
    kind: Kind
    hz: int
    duration: str
    duration_ms: int
    reason: str


def asked(form: Mapping[str, Any]) -> Asked:
    """Raise `Refused` naming the first field that cannot be used."""
    kind, hz, duration = (str(form.get(it, "")).strip() for it in ("kind", "hz", "duration"))
    if kind not in KINDS:
        raise _wrong(f"kind must be {', '.join(KINDS)}, got {kind[:40]!r}")
    if not (hz.isascii() and hz.isdigit() and len(hz) < 6 and int(hz) <= MAX_HZ):
        raise _wrong(f"frequency must be a whole number of 0–{MAX_HZ} Hz, got {hz[:40]!r}")
    return Asked(
        target=target_of(str(form.get("target", ""))),
        kind=cast("Kind", kind),
        hz=int(hz),
        duration=duration,
        duration_ms=duration_ms(duration),
        reason=str(form.get("reason", "")).strip()[:MAX_REASON],
    )


def target_of(text: str) -> str:
    """A target's name; of a service alone its name will do. Raise `Refused`."""
    name = text.strip()
    if name and "/" not in name and name != "fleet":
        name = f"service/{name}"
    try:
        return check_target(name)
    except WireError as error:
        raise _wrong(str(error)) from error


def duration_ms(text: str) -> int:
    """Raise `Refused`."""
    try:
        return parse_duration(text.strip())
    except ValueError as error:
        raise _wrong(f"duration {error}") from error


def _wrong(why: str) -> Refused:
    return Refused(why, slug="form", status=422)
