"""When agents were raised, in columns of time. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .fleet import Fleet
from .meter import Stretch


def columns(
    stretches: Sequence[Stretch],
    fleet: Fleet,
    start_ms: int,
    end_ms: int,
    count: int,
    members: Collection[int] | None = None,
) -> list[int]:
    """Return the most agents that were raised at the same time in each of `count` columns of equal
    length. members: positions in the fleet of those that count; None: all do."""
    moves: dict[int, int] = {}
    for it in stretches:
        if it.raised and (members is None or it.member in members):
            size = fleet.members[it.member].count
            moves[it.start_ms] = moves.get(it.start_ms, 0) + size
            moves[it.end_ms] = moves.get(it.end_ms, 0) - size
    found = [0] * count
    span_ms, level, since_ms = max(1, end_ms - start_ms), 0, start_ms
    for at_ms in [*sorted(moves), end_ms]:
        if level and at_ms > since_ms:
            first = (since_ms - start_ms) * count // span_ms
            last = (at_ms - 1 - start_ms) * count // span_ms
            for column in range(max(0, first), min(last, count - 1) + 1):
                found[column] = max(found[column], level)
        level, since_ms = level + moves.get(at_ms, 0), at_ms
    return found
