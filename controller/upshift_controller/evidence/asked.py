"""Which lease a report is about, out of the history. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from upshift_agent.contract import FLEET

from .spans import Span, span_before

ENDED = frozenset({"expired", "reverted", "released"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the history, of which only what matters here."""

    target: str
    at_ms: int
    event: str
    lease: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Boost:
    """A boost that ran, or runs. window: until now, where it runs."""

    target: str
    lease: str
    profile: str
    hz: int
    window: Span
    where: Mapping[str, Any]
    runs: bool

    def labels(self) -> dict[str, str | list[str]]:
        """Of whom the profiles are: a service by name, a node by either of its names."""
        kind, _, name = self.target.partition("/")
        named = {"service": "service.name", "node": "host.name"}.get(kind)
        here = {} if named is None else {named: name}
        return {**self.where, **here}

    def before(self, *, days: int = 0) -> Span:
        """What it is compared with: earlier on the same day, or some days ago."""
        if days:
            return self.window.earlier(days * 24 * 3600 * 1000)
        return span_before(self.window, None, 0)


def boosts(entries: Iterable[Entry], now_ms: int) -> list[Boost]:
    """Every boost that the entries tell of, the newest first. entries: newest first."""
    found: list[Boost] = []
    ended: dict[tuple[str, str, int], int] = {}
    seen: set[tuple[str, str, int]] = set()
    for entry in entries:
        lease = entry.lease
        if lease.get("kind") != "boost" or entry.event == "refused":
            continue
        key = (entry.target, str(lease["id"]), int(lease["since_ms"]))
        if entry.event in ENDED:
            ended.setdefault(key, min(entry.at_ms, int(lease["expires_at_ms"])))
        if key in seen:
            continue
        seen.add(key)
        until_ms = ended.get(key, min(now_ms, int(lease["expires_at_ms"])))
        if until_ms > int(lease["since_ms"]):
            found.append(
                Boost(
                    target=entry.target,
                    lease=str(lease["id"]),
                    profile=str(lease.get("profile", "cpu")),
                    hz=int(lease["hz"]),
                    window=Span(int(lease["since_ms"]), until_ms),
                    where=dict(lease.get("where") or {}),
                    runs=key not in ended and until_ms == now_ms,
                )
            )
    return found


def chosen(found: Iterable[Boost], what: str) -> Boost | None:
    """The newest of a target, or with this lease's id, or any where `what` is the fleet."""
    for boost in found:
        if what in (boost.lease, boost.target) or what == FLEET:
            return boost
    return None
