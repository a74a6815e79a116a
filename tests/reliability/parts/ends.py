"""When boosts ended, by the agents' own account, against when their leases said they would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .agents import Call
from .controllers import monotonic_of

#: Promise 1: an agent is back within this time of an expiry.
PROMISED_S = 1.0


@dataclass(frozen=True)
class Ends:
    """`off_s`: how far from its expiry each agent left each lease; late is positive."""

    off_s: Sequence[float]

    @property
    def worst_s(self) -> float:
        return max((abs(it) for it in self.off_s), default=0.0)

    @property
    def worst(self) -> str:
        return f"{self.worst_s * 1000:.0f} ms over {len(self.off_s)} ends"

    def broken(self, at_least: int) -> list[str]:
        """Ends that were too early or too late, or too few of them."""
        found = [f"{it:+.2f} s off its expiry" for it in self.off_s if abs(it) > PROMISED_S]
        if len(self.off_s) < at_least:
            found.append(f"only {len(self.off_s)} of {at_least} ends were seen")
        return found


def expiries(history: Iterable[Mapping[str, Any]], redis_url: str) -> dict[str, float]:
    """Lease → its last expiry, in seconds of the monotonic clock."""
    leases = {
        entry["lease"]["id"]: entry["lease"]["expires_at_ms"]
        for entry in history
        if entry["event"] in ("granted", "renewed")
    }
    return {name: monotonic_of(redis_url, ms) for name, ms in leases.items()}


def ends(calls: Iterable[Call], expire_at_s: Mapping[str, float]) -> Ends:
    """Where each agent came down from a lease; before it goes up, none need have ended.

    Down to 0 Hz is the kill switch, which waits for no expiry.
    """
    by_instance: dict[str, list[Call]] = {}
    for call in calls:
        by_instance.setdefault(call.instance, []).append(call)
    return Ends(
        [
            after.at_s - expire_at_s[before.lease]
            for told in by_instance.values()
            for before, after in pairwise(told)
            if before.lease in expire_at_s and 0 < after.hz < before.hz
        ]
    )


def recorded_late(history: Iterable[Mapping[str, Any]]) -> list[float]:
    """Seconds from each boost's expiry to its record."""
    return [
        (entry["at_ms"] - entry["lease"]["expires_at_ms"]) / 1000
        for entry in history
        if entry["event"] == "expired"
    ]


def told_twice(history: Iterable[Mapping[str, Any]]) -> list[str]:
    """Leases whose beginning or end stands more than once in the history."""
    told = Counter(
        (entry["lease"]["id"], entry["event"])
        for entry in history
        if entry.get("lease") and entry["event"] in ("granted", "expired", "reverted", "released")
    )
    return [f"{lease} was {event} {n} times" for (lease, event), n in told.items() if n > 1]
