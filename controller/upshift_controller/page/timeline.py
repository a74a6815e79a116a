"""The view Time line: what held each target, how high, when, and what was refused. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from upshift_agent.contract import MAX_LEASE_MS

from ..evidence.asked import ENDED
from ..storage.history import HistoryLine

#: Of a history that is longer, the newest are looked at; and so many targets are shown.
ENTRIES, MOST_LANES = 1000, 100
#: Marks of one lane: an alert that is refused all day long is told often enough.
MOST_MARKS = 200
HOUR_MS = 3600 * 1000
SPANS_H = (1, 6, 24, 168)
#: Of a lane's picture, in its own units.
WIDTH, HEIGHT = 1000, 40
#: What is shorter would not be seen.
LEAST_WIDTH = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lease, from when to when it held, as far as that is within the picture. runs: it still
    does. ended: how it ended. x, width, y, height: where it is drawn."""

    id: str
    kind: str
    profile: str
    hz: int
    from_ms: int
    until_ms: int
    runs: bool
    ended: str
    reason: str
    x: float
    width: float
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that was refused."""

    at_ms: int
    reason: str
    x: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    target: str
    held: Sequence[Held]
    refused: Sequence[Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """ticks: moments, and where they are. cut: whether there is more than was looked at."""

    from_ms: int
    now_ms: int
    hours: int
    lanes: Sequence[Lane]
    ticks: Sequence[tuple[int, float]]
    highest_hz: int
    cut: bool
    more_lanes: int


@dataclass(slots=True)
class _Known:
    """What the lines tell of one lease."""

    lease: dict[str, Any]
    reason: str
    ended_ms: int | None = None
    ended: str = ""


def timeline(lines: Sequence[HistoryLine], now_ms: int, hours: int) -> Timeline:
    """lines: newest first."""
    from_ms = now_ms - hours * HOUR_MS
    by_target: dict[str, list[HistoryLine]] = {}
    for line in lines:
        by_target.setdefault(line.target, []).append(line)
    known = {target: _leases(rows) for target, rows in by_target.items()}
    spans = {
        target: [it for it in found.values() if _until(it, now_ms) > from_ms]
        for target, found in known.items()
    }
    highest = max((_hz(it) for found in spans.values() for it in found), default=1)
    lanes = []
    for target, rows in by_target.items():
        held = [_held(it, from_ms, now_ms, highest) for it in spans[target]]
        refused = [
            Mark(at_ms=it.at_ms, reason=str(it.entry["reason"]), x=_x(it.at_ms, from_ms, now_ms))
            for it in rows
            if it.entry["event"] == "refused" and from_ms <= it.at_ms <= now_ms
        ]
        if held or refused:
            held.sort(key=lambda it: it.from_ms)
            lanes.append(Lane(target=target, held=held, refused=refused[:MOST_MARKS]))
    lanes.sort(key=lambda it: it.target)
    step_ms = hours * HOUR_MS // 6
    return Timeline(
        from_ms=from_ms,
        now_ms=now_ms,
        hours=hours,
        lanes=lanes[:MOST_LANES],
        ticks=[(at, _x(at, from_ms, now_ms)) for at in range(from_ms, now_ms + 1, step_ms)],
        highest_hz=highest,
        cut=len(lines) >= ENTRIES and lines[-1].at_ms > from_ms,
        more_lanes=len(lanes[MOST_LANES:]),
    )


def _leases(lines: Iterable[HistoryLine]) -> dict[tuple[str, int], _Known]:
    """lines: of one target, newest first. A lease's id may come again; since when tells them
    apart."""
    found: dict[tuple[str, int], _Known] = {}
    for line in lines:
        lease, event = line.entry.get("lease"), line.entry["event"]
        if lease is None or event == "refused" or not _can_be_drawn(lease):
            continue
        key = str(lease["id"]), int(lease["since_ms"])
        one = found.setdefault(key, _Known(dict(lease), str(line.entry["reason"])))
        if event in ENDED and one.ended_ms is None:
            one.ended_ms, one.ended = line.at_ms, str(event)
        if event == "granted":
            one.reason = str(line.entry["reason"])
    return found


def _can_be_drawn(lease: Mapping[str, Any]) -> bool:
    """Whoever may write in Redis may have written it."""
    numbers = [lease.get(it) for it in ("since_ms", "expires_at_ms", "hz")]
    return "id" in lease and all(type(it) is int and 0 <= it < 2**53 for it in numbers)


def _until(one: _Known, now_ms: int) -> int:
    end_ms = min(int(one.lease["expires_at_ms"]), int(one.lease["since_ms"]) + 2 * MAX_LEASE_MS)
    return min(end_ms, now_ms if one.ended_ms is None else one.ended_ms)


def _hz(one: _Known) -> int:
    return int(one.lease["hz"])


def _held(one: _Known, from_ms: int, now_ms: int, highest: int) -> Held:
    lease = one.lease
    since_ms, until_ms = int(lease["since_ms"]), _until(one, now_ms)
    left = _x(max(since_ms, from_ms), from_ms, now_ms)
    width = max(LEAST_WIDTH, _x(until_ms, from_ms, now_ms) - left)
    height = max(3.0, HEIGHT * _hz(one) / max(1, highest))
    return Held(
        id=str(lease["id"]),
        kind=str(lease.get("kind", "boost")),
        profile=str(lease.get("profile", "cpu")),
        hz=_hz(one),
        from_ms=since_ms,
        until_ms=until_ms,
        runs=one.ended_ms is None and int(lease["expires_at_ms"]) > now_ms,
        ended=one.ended or ("" if int(lease["expires_at_ms"]) > now_ms else "expired"),
        reason=one.reason,
        x=round(min(left, WIDTH - LEAST_WIDTH), 1),
        width=round(min(width, WIDTH - min(left, WIDTH - LEAST_WIDTH)), 1),
        y=round(HEIGHT - height, 1),
        height=round(height, 1),
    )


def _x(at_ms: int, from_ms: int, now_ms: int) -> float:
    share = (at_ms - from_ms) / max(1, now_ms - from_ms)
    return round(WIDTH * min(1.0, max(0.0, share)), 1)
