"""Leases and plans: what controllers publish and agents follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .cause import Cause
from .errors import SignatureRefused, WireError
from .keys import check_target
from .profiles import ALL, CPU, PROFILES, Baseline
from .reading import VERSION, check_version, dump, mapping, parse, shorten, string, whole
from .signing import signature_of, verify
from .text import one_line

KINDS = ("boost", "pin", "cap")
Kind = Literal["boost", "pin", "cap"]

#: What a rule or an override may ask for, in a profile's own unit. 1000 Hz is where every profiler
#: that we drive gives up keeping count (above it pyroscope-io burns a core).
MAX_HZ = 1000
#: Most leases of a plan, and the most bytes that each takes as JSON. With these every plan that a
#: controller commits fits into a message (`MAX_MESSAGE_BYTES`), signed or not, so agents take it.
MAX_LEASES = 400
MAX_LEASE_BYTES = 4096
#: A boost or pin longer than this is not "for a while" any more.
MAX_LEASE_MS = 24 * 60 * 60 * 1000
#: A lease that began so much later than now is from before Redis's clock was set back, and would
#: run on by as much. Less than that is no more than clocks of a cluster's servers differ.
SET_BACK_MS = 5_000
#: How old a *pushed* signed plan may be. A snapshot may be as old as its last change: there the
#: leases' own expiry and the growing revision bound what a replay can do.
MAX_PUSH_AGE_MS = 30_000

#: Longest reason in characters: it goes into logs and statuses.
MAX_REASON = 1000

#: Attribute → the one value it must have, or the values it may have.
Where = Mapping[str, "str | tuple[str, ...]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One claim on a target's frequency. Times in Redis milliseconds.

    `hz`: in the unit of its profile. `profile`: which one, or of a cap `ALL`. `fraction` and
    `fraction_from`: the share of its agents that it is for, see `selection`.
    """

    id: str
    kind: Kind
    hz: int
    since_ms: int
    expires_at_ms: int
    where: Where = field(default_factory=dict)
    fraction: float = 1.0
    fraction_from: float = 0.0
    profile: str = CPU
    cause: Cause = field(default_factory=Cause)

    @property
    def reason(self) -> str:
        """In one line: `boost high_cpu/3f9a: alert HighCPU`, `cap/00c0ffee: rollback, by ann`."""
        # An override's id begins with its kind.
        name = self.id if self.id.startswith(f"{self.kind}/") else f"{self.kind} {self.id}"
        why = str(self.cause)
        return one_line(f"{name}: {why}" if why else name, MAX_REASON)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": self.kind,
            "profile": self.profile,
            "hz": self.hz,
            "since_ms": self.since_ms,
            "expires_at_ms": self.expires_at_ms,
            "where": {
                key: value if isinstance(value, str) else list(value)
                for key, value in self.where.items()
            },
            "fraction": self.fraction,
            **({"fraction_from": self.fraction_from} if self.fraction_from else {}),
            "because": dict(self.cause.said),
        }

    @classmethod
    def from_json(cls, document: object) -> Lease:
        """Raise `WireError` on anything that is not a lease of a known kind."""
        lease = mapping(document, "lease")
        kind = string(lease, "kind", "lease")
        if kind not in KINDS:
            raise WireError(f"lease.kind must be one of {', '.join(KINDS)}, got {shorten(kind)}")
        fraction = _number(lease, "fraction", 1.0)
        if not 0 < fraction <= 1:
            raise WireError(
                f"lease.fraction must be above 0 and at most 1, got {shorten(fraction)}"
            )
        fraction_from = _number(lease, "fraction_from", 0.0)
        if not 0 <= fraction_from < 1:
            raise WireError(
                f"lease.fraction_from must be from 0 to below 1, got {shorten(fraction_from)}"
            )
        where = mapping(lease.get("where", {}), "lease.where")
        return cls(
            id=string(lease, "id", "lease"),
            kind=kind,  # type: ignore[arg-type]  # narrowed by the membership test above
            hz=whole(lease, "hz", "lease"),
            since_ms=whole(lease, "since_ms", "lease"),
            expires_at_ms=whole(lease, "expires_at_ms", "lease"),
            where={key: _where_value(key, value) for key, value in where.items()},
            fraction=float(fraction),
            fraction_from=float(fraction_from),
            profile=string(lease, "profile", "lease") if "profile" in lease else CPU,
            cause=Cause(mapping(lease.get("because", {}), "lease.because")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All live leases of one target at one revision. `now_ms` is Redis time at the commit.

    after: the revision of the plan before it, 0 for none. A lease that began later than that was
        never in the hands of whoever wrote this plan: Redis had lost it, nobody has ended it.
    """

    target: str
    rev: int
    now_ms: int
    after: int | None = None
    leases: tuple[Lease, ...] = ()
    baseline: Baseline | None = None
    #: Why a lease of this plan cannot be followed here, one line each (unknown kind or profile).
    skipped: tuple[str, ...] = ()


def encode_plan(
    plan: Plan, secret: bytes | None = None, dump: Callable[[object], str] = dump
) -> str:
    """The message of `plan`; with a secret, signed with it (HMAC-SHA256).

    dump: writes the JSON, for those who have something quicker than `reading.dump`.
    """
    document: dict[str, Any] = {
        "v": VERSION,
        "target": plan.target,
        "rev": plan.rev,
        "now_ms": plan.now_ms,
        **({} if plan.after is None else {"after": plan.after}),
        "leases": [lease.to_json() for lease in plan.leases],
    }
    if plan.baseline is not None:
        document["baseline"] = plan.baseline.to_json()
    text = dump(document)
    if secret is None:
        return text
    return dump({"plan": text, "sig": signature_of(text, secret)})


def decode_plan(message: bytes | str, secrets: Sequence[bytes] = ()) -> Plan:
    """Read a plan; with `secrets`, only one that is signed with any of them.

    Raise `SignatureRefused` or another `WireError`; an unknown lease only lands in `skipped`.
    """
    document = mapping(parse(message), "plan")
    if "sig" in document:
        text = string(document, "plan", "message")
        if secrets:
            verify(text, string(document, "sig", "message"), secrets)
        document = mapping(parse(text), "plan")
    elif secrets:
        raise SignatureRefused("this plan is not signed, and a secret is set")
    check_version(document, "plan")
    leases: list[Lease] = []
    skipped: list[str] = []
    rows = document.get("leases", [])
    if not isinstance(rows, list):
        raise WireError(f"plan.leases must be a list, got {shorten(rows)}")
    if len(rows) > MAX_LEASES:
        raise WireError(f"plan.leases must be at most {MAX_LEASES}, got {len(rows)}")
    for row in rows:
        if why := _unknown(row):
            skipped.append(why)
        else:
            leases.append(Lease.from_json(row))
    baseline = document.get("baseline")
    return Plan(
        target=check_target(string(document, "target", "plan")),
        rev=whole(document, "rev", "plan"),
        now_ms=whole(document, "now_ms", "plan"),
        after=None if document.get("after") is None else whole(document, "after", "plan"),
        leases=tuple(leases),
        baseline=None if baseline is None else Baseline.from_json(baseline),
        skipped=tuple(skipped),
    )


def _unknown(row: object) -> str | None:
    if not isinstance(row, dict):
        return None
    name, kind, profile = row.get("id"), row.get("kind"), row.get("profile", CPU)
    if isinstance(kind, str) and kind not in KINDS:
        return f"lease {shorten(name)}: unknown kind {shorten(kind)}"
    if profile not in PROFILES and (kind, profile) != ("cap", ALL):
        return f"lease {shorten(name)}: unknown profile {shorten(profile)}"
    return None


def _number(lease: Mapping[str, Any], name: str, default: float) -> float:
    value = lease.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WireError(f"lease.{name} must be a number, got {shorten(value)}")
    return value


def _where_value(key: str, value: object) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise WireError(
        f"lease.where[{shorten(key)}] must be a string or a list of strings, got {shorten(value)}"
    )
