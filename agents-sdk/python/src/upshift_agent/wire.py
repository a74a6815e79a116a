"""The wire contract: keys, plans and statuses, as language-neutral JSON.

What belongs here: names of keys, and the translation between bytes and frozen values.
What does not: I/O, clocks, randomness, decisions. Standard library only, because this runs in
other people's processes.

Rules for editors. `tests/wire/golden/` freezes these messages: agents of every age read them.
Add a field, never change the meaning of one; a reader ignores what it does not know.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, unquote

from .errors import ConfigurationError, SignatureRefused, WireError

VERSION = 1
DEFAULT_NAMESPACE = "upshift"
FLEET = "fleet"
PROFILE = "cpu"

KINDS = ("boost", "pin", "cap")
Kind = Literal["boost", "pin", "cap"]

#: What a rule or an override may ask for, in Hz. 1000 is where every profiler that we drive gives
#: up keeping count (facts: above it pyroscope-io burns a core).
MAX_HZ = 1000
#: A boost or pin longer than this is not "for a while" any more.
MAX_LEASE_MS = 24 * 60 * 60 * 1000
#: Longest target in bytes of UTF-8; longer names are refused where they come in.
MAX_TARGET_BYTES = 256
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
#: How old a *pushed* signed plan may be. A snapshot may be as old as its last change: there the
#: leases' own expiry and the growing revision bound what a replay can do.
MAX_PUSH_AGE_MS = 30_000
#: How often an agent reports when nothing changes.
STATUS_INTERVAL_S = 15.0
#: A status older than this is of an agent that is gone: three reports missed.
STATUS_LOST_MS = 45_000

ENVIRONMENT = "deployment.environment.name"
INSTANCE = "service.instance.id"
POD = "k8s.pod.name"
#: Older spellings of attributes, and the name they have now (OpenTelemetry semantic conventions).
ATTRIBUTE_ALIASES = {"deployment.environment": ENVIRONMENT}
#: A pin that names one of these is narrower than any target.
INSTANCE_ATTRIBUTES = frozenset({INSTANCE, POD, "process.pid"})

#: Attribute → the one value it must have, or the values it may have.
Where = Mapping[str, "str | tuple[str, ...]"]


def service_target(name: str) -> str:
    return f"service/{name}"


def node_target(name: str) -> str:
    return f"node/{name}"


def check_target(target: str) -> str:
    """Return `target`, or raise `WireError` saying what a target looks like."""
    kind, slash, name = target.partition("/")
    if target != FLEET and not (slash and name and kind in ("service", "node")):
        raise WireError(f"a target is service/NAME, node/NAME or fleet, got {shorten(target)}")
    try:
        size = len(target.encode())
    except UnicodeEncodeError as error:
        raise WireError(f"target {shorten(target)} is not valid Unicode") from error
    if size > MAX_TARGET_BYTES:
        raise WireError(
            f"a target has at most {MAX_TARGET_BYTES} bytes, {shorten(target)} has {size}"
        )
    return target


def shorten(text: object, length: int = 60) -> str:
    """`text` as a quoted literal that fits on one line of an error message."""
    try:
        literal = repr(text)
    except RecursionError:  # what json could just read, repr may find too deep
        literal = f"a deeply nested {type(text).__name__}"
    return literal if len(literal) <= length else literal[: length - 1] + "…"


def canonical(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """`attributes` under their present names; a present name beats its older spelling."""
    named = {ATTRIBUTE_ALIASES.get(key, key): value for key, value in attributes.items()}
    return named | {key: attributes[key] for key in ATTRIBUTE_ALIASES.values() if key in attributes}


@dataclass(frozen=True, slots=True)
class Keys:
    """Every Redis key and channel. The `{T}` hash tag keeps a target's keys in one cluster slot.

    Raise `ConfigurationError` for a namespace that would break the tag or the channel pattern.
    """

    namespace: str = DEFAULT_NAMESPACE

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._/:-]+", self.namespace):
            raise ConfigurationError(
                "a namespace is made of letters, digits and . _ / : -,"
                f" got {shorten(self.namespace)}"
            )

    def _of(self, target: str, what: str) -> str:
        # quote() leaves "~" alone, which the contract does not.
        tag = quote(target, safe="/").replace("~", "%7E")
        return f"{self.namespace}:v1:{{{tag}}}:{what}"

    def state(self, target: str) -> str:
        return self._of(target, "state")

    def plan(self, target: str) -> str:
        return self._of(target, "plan")

    def changes(self, target: str) -> str:
        return self._of(target, "changes")

    def history(self, target: str) -> str:
        return self._of(target, "history")

    def agents(self, target: str) -> str:
        return self._of(target, "agents")

    @property
    def every_changes(self) -> str:
        """Pattern of every target's channel."""
        return f"{self.namespace}:v1:{{*}}:changes"

    def target_of(self, key: str) -> str:
        """The target that a key or channel of ours belongs to."""
        return unquote(key[key.index("{") + 1 : key.rindex("}")])

    @property
    def due(self) -> str:
        return f"{self.namespace}:v1:due"

    @property
    def targets(self) -> str:
        return f"{self.namespace}:v1:targets"

    @property
    def reporting(self) -> str:
        """Sorted set target → last report (Redis ms), so that nobody needs SCAN to find agents."""
        return f"{self.namespace}:v1:reporting"

    @property
    def budget(self) -> str:
        return f"{self.namespace}:v1:budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One claim on a target's frequency. `hz` in Hz, times in Redis milliseconds."""

    id: str
    kind: Kind
    hz: int
    since_ms: int
    expires_at_ms: int
    where: Where = field(default_factory=dict)
    fraction: float = 1.0
    profile: str = PROFILE
    because: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """In one line: `boost high_cpu/3f9a: alert HighCPU`, `cap/00c0ffee: rollback, by ann`."""
        why = self.because
        parts = [f"alert {why['alertname']}"] if why.get("alertname") else []
        parts += [str(why["reason"])] if why.get("reason") else []
        parts += [f"by {why['by']}"] if why.get("by") else []
        # An override's id begins with its kind.
        name = self.id if self.id.startswith(f"{self.kind}/") else f"{self.kind} {self.id}"
        return f"{name}: {', '.join(parts)}" if parts else name

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
            "because": dict(self.because),
        }

    @classmethod
    def from_json(cls, document: object) -> Lease:
        """Raise `WireError` on anything that is not a lease of a known kind."""
        lease = _mapping(document, "lease")
        kind = _text(lease, "kind", "lease")
        if kind not in KINDS:
            raise WireError(f"lease.kind must be one of {', '.join(KINDS)}, got {shorten(kind)}")
        fraction = lease.get("fraction", 1.0)
        if isinstance(fraction, bool) or not isinstance(fraction, int | float):
            raise WireError(f"lease.fraction must be a number, got {shorten(fraction)}")
        if not 0 < fraction <= 1:
            raise WireError(
                f"lease.fraction must be above 0 and at most 1, got {shorten(fraction)}"
            )
        where = _mapping(lease.get("where", {}), "lease.where")
        return cls(
            id=_text(lease, "id", "lease"),
            kind=kind,  # type: ignore[arg-type]  # narrowed by the membership test above
            hz=_whole(lease, "hz", "lease"),
            since_ms=_whole(lease, "since_ms", "lease"),
            expires_at_ms=_whole(lease, "expires_at_ms", "lease"),
            where={key: _where_value(key, value) for key, value in where.items()},
            fraction=float(fraction),
            profile=_text({"profile": PROFILE, **lease}, "profile", "lease"),
            because=_mapping(lease.get("because", {}), "lease.because"),
        )


@dataclass(frozen=True, slots=True)
class Baseline:
    """Hz where no lease applies: by environment, else the default."""

    default: int
    environments: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"default": self.default, "environments": dict(self.environments)}

    @classmethod
    def from_json(cls, document: object) -> Baseline:
        baseline = _mapping(document, "baseline")
        environments = _mapping(baseline.get("environments", {}), "baseline.environments")
        return cls(
            _whole(baseline, "default", "baseline"),
            {name: _whole(environments, name, "baseline.environments") for name in environments},
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


def encode_plan(plan: Plan, secret: bytes | None = None) -> str:
    """The message of `plan`; with a secret, signed with it (HMAC-SHA256)."""
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
    return dump({"plan": text, "sig": _signature(text, secret)})


def decode_plan(message: bytes | str, secrets: Sequence[bytes] = ()) -> Plan:
    """Read a plan; with `secrets`, only one that is signed with any of them.

    Raise `SignatureRefused` or another `WireError`; an unknown lease only lands in `skipped`.
    """
    document = _mapping(parse(message), "plan")
    if "sig" in document:
        text = _text(document, "plan", "message")
        if secrets:
            _verify(text, _text(document, "sig", "message"), secrets)
        document = _mapping(parse(text), "plan")
    elif secrets:
        raise SignatureRefused("this plan is not signed, and a secret is set")
    _check_version(document, "plan")
    leases: list[Lease] = []
    skipped: list[str] = []
    rows = document.get("leases", [])
    if not isinstance(rows, list):
        raise WireError(f"plan.leases must be a list, got {shorten(rows)}")
    for row in rows:
        if why := _unknown(row):
            skipped.append(why)
        else:
            leases.append(Lease.from_json(row))
    baseline = document.get("baseline")
    return Plan(
        target=check_target(_text(document, "target", "plan")),
        rev=_whole(document, "rev", "plan"),
        now_ms=_whole(document, "now_ms", "plan"),
        after=None if document.get("after") is None else _whole(document, "after", "plan"),
        leases=tuple(leases),
        baseline=None if baseline is None else Baseline.from_json(baseline),
        skipped=tuple(skipped),
    )


def _unknown(row: object) -> str | None:
    if not isinstance(row, dict):
        return None
    name, kind, profile = row.get("id"), row.get("kind"), row.get("profile", PROFILE)
    if isinstance(kind, str) and kind not in KINDS:
        return f"lease {shorten(name)}: unknown kind {shorten(kind)}"
    if profile != PROFILE:
        return f"lease {shorten(name)}: unknown profile {shorten(profile)}"
    return None


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
    document = _mapping(parse(message), "status")
    _check_version(document, "status")
    state = _text(document, "state", "status")
    if state not in STATES:
        raise WireError(f"status.state must be one of {', '.join(STATES)}, got {shorten(state)}")
    requested = _mapping(document.get("requested"), "status.requested")
    applied = document.get("applied")
    return Status(
        instance=_text(document, "instance", "status"),
        attributes=_strings(document.get("attributes", {}), "status.attributes"),
        driver=_text(document, "driver", "status"),
        at_ms=_whole(document, "at_ms", "status"),
        state=state,
        since_ms=_whole(document, "since_ms", "status"),
        requested=Requested(
            hz=_whole(requested, "hz", "status.requested"),
            revs=_revs(requested, "status.requested"),
            lease=_optional_text(requested, "lease", "status.requested"),
            reason=_optional_text(requested, "reason", "status.requested") or "",
            until_ms=_optional_whole(requested, "until_ms", "status.requested"),
            clamped_from=_optional_whole(requested, "clamped_from", "status.requested"),
        ),
        applied=None if applied is None else _applied(_mapping(applied, "status.applied")),
        error=_optional_text(document, "error", "status"),
        skipped=tuple(_string_list(document.get("skipped", []), "status.skipped")),
        max_hz=_optional_whole(document, "max_hz", "status"),
        sdk=_optional_text(document, "sdk", "status") or "",
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
        hz=_whole(document, "hz", "status.applied"),
        revs=_revs(document, "status.applied"),
        at_ms=_whole(document, "at_ms", "status.applied"),
        achieved_hz=None if achieved is None else float(achieved),
    )


def dump(document: object) -> str:
    """JSON without padding; never NaN, and always valid Unicode.

    A name from a badly encoded environment holds lone surrogates; each becomes "?".
    """
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace").decode()


def parse(message: bytes | str) -> object:
    """JSON in UTF-8, with every way it can fail turned into `WireError`.

    Stricter than `json.loads` where a value could not be sent on: no NaN or infinite numbers, no
    lone surrogates.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise WireError(f"message has {len(message)} bytes, at most {MAX_MESSAGE_BYTES} are read")
    try:
        text = message if isinstance(message, str) else message.decode()
        document = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        if _SURROGATE.search(text):
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {error}") from error
    return document


#: What a lone surrogate in a message looks like, written out or escaped (as half a pair may be).
_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(shorten(text))


def _signature(text: str, secret: bytes) -> str:
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def _verify(text: str, signature: str, secrets: Iterable[bytes]) -> None:
    given = signature.encode()
    # Every secret is tried, also after a match: the time taken must not tell which one fits.
    matches = [hmac.compare_digest(_signature(text, s).encode(), given) for s in secrets]
    if not any(matches):
        raise SignatureRefused("this plan's signature fits none of the secrets set")


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise WireError(f"{where} must be an object, got {shorten(value)}")
    return value


def _check_version(document: Mapping[str, Any], what: str) -> None:
    version = document.get("v")
    if version != VERSION or not isinstance(version, int) or isinstance(version, bool):
        raise WireError(f"{what} version must be {VERSION}, got {shorten(version)}")


def _text(document: Mapping[str, Any], name: str, where: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise WireError(f"{where}.{name} must be a string, got {shorten(value)}")
    return value


def _whole(document: Mapping[str, Any], name: str, where: str) -> int:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise WireError(f"{where}.{name} must be a whole number from 0 up, got {shorten(value)}")
    return value


def _optional_whole(document: Mapping[str, Any], name: str, where: str) -> int | None:
    return None if document.get(name) is None else _whole(document, name, where)


def _optional_text(document: Mapping[str, Any], name: str, where: str) -> str | None:
    return None if document.get(name) is None else _text(document, name, where)


def _revs(document: Mapping[str, Any], where: str) -> dict[str, int]:
    revs = _mapping(document.get("revs", {}), f"{where}.revs")
    return {target: _whole(revs, target, f"{where}.revs") for target in revs}


def _strings(value: object, where: str) -> dict[str, str]:
    document = _mapping(value, where)
    return {name: _text(document, name, where) for name in document}


def _string_list(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise WireError(f"{where} must be a list of strings, got {shorten(value)}")
    return value


def _where_value(key: str, value: object) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise WireError(
        f"lease.where[{shorten(key)}] must be a string or a list of strings, got {shorten(value)}"
    )
