"""A frequency among the user's own settings, and the ETag of both. Pure.

Elastic's Java agent knows an interval: 100 Hz are 10 ms, 19 Hz 53 ms, and whole milliseconds from 1
to 1000 are all that it takes. What the user has set stays, but for what a lease asks:

- without one, ours is set only where the user has set none;
- a boost never lengthens the user's interval, a cap never shortens it, a pin replaces it;
- 0 Hz switches inferred spans off.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from upshift_agent.contract.resolve import Decision

INTERVAL = "profiling_inferred_spans_sampling_interval"
ENABLED = "profiling_inferred_spans_enabled"
RATE = "transaction_sample_rate"
#: Agents that infer spans of a profile.
PROFILED = frozenset({"java"})
MAX_ETAG = 512  # characters

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Merged:
    """settings: the user's with ours. hz: that come of them, 0 where the agent has no profiler."""

    settings: Mapping[str, Any]
    hz: float


def interval_ms(hz: int) -> int:
    """Of at least 1 Hz."""
    return min(1000, max(1, round(1000 / hz)))


def merge(
    theirs: Mapping[str, Any],
    decision: Decision,
    agent: str,
    max_hz: int | None = None,
    rate: float | None = None,
) -> Merged:
    """decision: of cpu. rate: of transactions, at least, while a boost holds."""
    settings = dict(theirs)
    kind = None if decision.lease is None else decision.lease.kind
    if rate is not None and kind == "boost":
        settings[RATE] = _higher(theirs.get(RATE), rate)
    if agent not in PROFILED:
        return Merged(settings, 0.0)
    if decision.hz == 0:
        if kind is not None:
            settings[ENABLED] = "false"
        else:
            settings.setdefault(ENABLED, "false")
    ms = _interval(theirs, decision, kind)
    if max_hz is not None:
        ms = max(ms, interval_ms(max_hz))
    if decision.hz or (kind is None and INTERVAL in theirs):
        settings[INTERVAL] = theirs[INTERVAL] if ms == _ms(theirs.get(INTERVAL)) else f"{ms:g}ms"
    off = str(settings.get(ENABLED, "")).lower() == "false"
    return Merged(settings, 0.0 if off else 1000 / ms)


def etag(theirs: str, merged: Mapping[str, Any]) -> str:
    """Of the merged settings. The server's own is in it, for whoever has to ask it again."""
    content = json.dumps(merged, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(theirs.encode() + b"\0" + content).hexdigest()[:24]
    return f'"{digest}.{base64.urlsafe_b64encode(theirs.encode()).decode()}"'


def theirs_of(given: str) -> str:
    """The server's ETag in one that we have made; empty where there is none."""
    _, dot, inner = given.strip('"')[:MAX_ETAG].partition(".")
    try:
        return base64.b64decode(inner, b"-_", validate=True).decode("ascii") if dot else ""
    except ValueError:
        return ""


def _interval(theirs: Mapping[str, Any], decision: Decision, kind: str | None) -> float:
    ours = float(interval_ms(decision.hz or 1))
    own = _ms(theirs.get(INTERVAL))
    if own is None or kind == "pin":
        return ours
    if kind == "boost":
        return min(ours, own)
    return max(ours, own) if kind == "cap" else own


def _ms(value: object) -> float | None:
    """A duration of Elastic's in milliseconds, as far as an interval may be one."""
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*(us|ms|s|m)\s*", str(value))
    ms = int(found[1]) * _UNITS[found[2]] if found else 0.0
    return ms if 1 <= ms <= 1000 else None


def _higher(theirs: object, rate: float) -> str:
    try:
        own = float(str(theirs))
    except ValueError:
        own = 0.0
    return str(theirs) if own >= rate else f"{rate:g}"
