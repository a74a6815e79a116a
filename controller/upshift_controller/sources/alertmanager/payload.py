"""Alertmanager's webhook body → triggers. Pure, and lenient: unknown fields are nobody's business.

Payload version "4", as Alertmanager sends it since 0.6. One bad alert does not spoil the others:
it comes back as a `BadTrigger` in its place. A body that is no notification raises `Refused`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from upshift_agent.contract import is_plain, one_line, shorten
from upshift_rules.model import BadTrigger, Trigger
from upshift_rules.quick_json import loads

from ...errors import Refused
from ...runtime.cache import Cache

PAYLOAD_VERSION = "4"
#: Larger bodies are read anew each time.
REMEMBERED_BYTES = 16 * 1024
#: What is remembered of bodies, in bytes. What is read takes up to 20 times what it took there.
MEMORY_BYTES = 32 * 1024 * 1024
#: More alerts than this are refused before anything is written: what 16 MiB hold of real ones.
MAX_ALERTS = 20_000
#: `explain` says of each rule why it matches or not, so it takes fewer.
MAX_EXAMPLES = 100
#: Commas, and brackets that open, of a body: it is read in one go, which nothing can interrupt, and
#: what takes time is how much there is in it. Both are more than `MAX_ALERTS` real ones have.
MAX_VALUES = 1_000_000
MAX_NESTS = 5 * MAX_ALERTS
#: Larger bodies are read by the quick reader alone, which takes no half surrogate.
LENIENT_BYTES = 1024 * 1024
#: Characters of one alert's labels, together: what a regular expression is tried on.
MAX_LABELS = 64 * 1024
#: An alert's name and fingerprint go into leases, logs and answers. Characters.
MAX_NAME = 200
MAX_FINGERPRINT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One delivery. `truncated`: alerts that Alertmanager left out (`max_alerts`)."""

    alerts: tuple[Trigger | BadTrigger, ...]
    truncated: int = 0
    receiver: str = ""


def parse_notification(body: bytes) -> Notification:
    """Read a webhook body. Equal bodies are read once: Alertmanager repeats itself to the letter,
    and tells every controller the same."""
    if (known := remembered(body)) is not None:
        return known
    notification, rows = open_notification(body)
    alerts = [read_alert(row, f"alerts[{i}]") for i, row in enumerate(rows)]
    notification = replace(notification, alerts=tuple(alerts))
    # Not those with faults: what is said of a byte may take hundreds.
    if len(body) <= REMEMBERED_BYTES and not any(isinstance(alert, BadTrigger) for alert in alerts):
        _memory.keep(body, notification, 1000 + 20 * len(body))
    return notification


_memory: Cache[bytes, Notification] = Cache(MEMORY_BYTES)


def remembered(body: bytes) -> Notification | None:
    return _memory.get(body) if len(body) <= REMEMBERED_BYTES else None


def open_notification(body: bytes) -> tuple[Notification, Sequence[object]]:
    """A notification without its alerts, and these as they stand there, for `read_alert`."""
    document = _document(body)
    version = document.get("version")
    if version != PAYLOAD_VERSION:
        raise Refused(
            f'webhook payload version must be "{PAYLOAD_VERSION}", got {shorten(version)}',
            slug="payload-version",
            status=422,
        )
    alerts = document.get("alerts")
    if not isinstance(alerts, list):
        raise Refused(
            f"alerts must be a list of alerts, got {shorten(alerts)}", slug="payload", status=422
        )
    if len(alerts) > MAX_ALERTS:
        raise Refused(
            f"a body may have {MAX_ALERTS} alerts, this one has {len(alerts)}; "
            "let Alertmanager send fewer (max_alerts, group_by)",
            slug="too-many",
            status=413,
        )
    truncated = document.get("truncatedAlerts", 0)
    receiver = document.get("receiver", "")
    notification = Notification(
        alerts=(),
        truncated=truncated if isinstance(truncated, int) and 0 < truncated < 2**31 else 0,
        receiver=receiver if isinstance(receiver, str) else "",
    )
    return notification, alerts


def parse_example(body: bytes) -> tuple[Trigger | BadTrigger, ...]:
    """What `explain` takes: a webhook body, a list of alerts, or one alert.

    An example may leave out `startsAt` and `status`: then it fires, and its start is unknown.
    """
    document = _json(body)
    if isinstance(document, dict) and "alerts" in document:
        document = document["alerts"]
    several = isinstance(document, list)
    alerts = document if several else [document]
    if not alerts:
        raise Refused("there is no alert in it", slug="payload", status=422)
    if len(alerts) > MAX_EXAMPLES:
        raise Refused(
            f"at most {MAX_EXAMPLES} alerts are explained at once, these are {len(alerts)}",
            slug="too-many",
            status=413,
        )
    return tuple(
        read_alert(
            {"status": "firing", "startsAt": "1970-01-01T00:00:00Z"} | alert
            if isinstance(alert, dict)
            else alert,
            f"alerts[{i}]" if several else "the alert",
        )
        for i, alert in enumerate(alerts)
    )


def read_alert(alert: object, place: str) -> Trigger | BadTrigger:
    """One alert of Alertmanager's webhook or of its API v2 (whose `status` is an object)."""
    if not isinstance(alert, dict):
        return BadTrigger(f"{place} must be an object, got {shorten(alert)}")
    labels = _text_map(alert.get("labels"))
    if labels is None:
        reason = f"{place}.labels must map names to strings, got {shorten(alert.get('labels'))}"
        return BadTrigger(reason)
    if (size := sum(map(len, labels.values()))) > MAX_LABELS:
        return BadTrigger(f"{place}.labels may have {MAX_LABELS} characters together, not {size}")
    name = one_line(labels.get("alertname", ""), MAX_NAME)
    if name:
        labels["alertname"] = name
    fingerprint = alert.get("fingerprint") or fingerprint_of(labels)
    if not isinstance(fingerprint, str):
        return BadTrigger(f"{place}.fingerprint must be a string, got {shorten(fingerprint)}", name)
    if len(fingerprint) > MAX_FINGERPRINT or not is_plain(fingerprint):
        fingerprint = fingerprint_of({"fingerprint": fingerprint})  # as distinct, and short

    def bad(field: str, right: str) -> BadTrigger:
        reason = f"{place}.{field} must be {right}, got {shorten(alert.get(field))}"
        return BadTrigger(reason, name, fingerprint)

    status = alert.get("status")
    if status not in ("firing", "resolved"):
        return bad("status", "firing or resolved")
    starts_at = alert.get("startsAt")
    starts_at_ms = milliseconds(starts_at) if isinstance(starts_at, str) else None
    if starts_at_ms is None:
        return bad("startsAt", "a time such as 2026-01-31T12:00:00Z")
    return Trigger(
        status=status,
        labels=labels,
        identity=fingerprint,
        starts_at_ms=starts_at_ms,
        ends_at_ms=_end(alert.get("endsAt")) if status == "resolved" else 0,
    )


def _end(ends_at: object) -> int:
    """The Unix milliseconds at which an alert ended; 0 where that is not said."""
    return (milliseconds(ends_at) or 0) if isinstance(ends_at, str) else 0


def milliseconds(moment: str) -> int | None:
    """RFC 3339 → Unix milliseconds; None for anything else."""
    return _milliseconds(moment) if len(moment) <= 64 else None


@lru_cache(maxsize=4096)  # the alerts of a group tend to share it, and repeats always do
def _milliseconds(moment: str) -> int | None:
    try:
        parsed = datetime.fromisoformat(moment)
        return None if parsed.tzinfo is None else round(parsed.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def fingerprint_of(labels: Mapping[str, str]) -> str:
    """A stand-in where a sender gives none: stable over the same labels."""
    text = "\xff".join(f"{name}\xfe{labels[name]}" for name in sorted(labels))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _document(body: bytes) -> dict[str, Any]:
    document = _json(body)
    if not isinstance(document, dict):
        raise Refused(
            f"the body must be Alertmanager's webhook object, got {shorten(document)}",
            slug="payload",
            status=422,
        )
    return document


def _json(body: bytes) -> Any:
    if len(body) > MAX_NESTS and (
        body.count(b",") > MAX_VALUES or body.count(b"{") + body.count(b"[") > MAX_NESTS
    ):
        raise Refused(
            f"a body may have {MAX_VALUES} values, {MAX_NESTS} objects and lists among them, "
            "and this one has more",
            slug="too-many",
            status=413,
        )
    try:
        return loads(body, lenient=len(body) <= LENIENT_BYTES)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the body is not JSON: {error}", slug="not-json") from error


_ONLY_TEXT = frozenset({str})


def _text_map(value: object) -> dict[str, str] | None:
    fits = isinstance(value, dict) and _ONLY_TEXT.issuperset(map(type, value.values()))
    return value if fits else None  # type: ignore[return-value]  # just checked
