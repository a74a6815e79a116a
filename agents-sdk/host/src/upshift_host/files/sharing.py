"""A profiler that several workloads share runs at the highest of their frequencies. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Others that are named in a status, which has room for one line.
NAMED = 3
MAX_NAME = 30


@dataclass(frozen=True, slots=True)
class Share:
    """What one workload wants of it, in Hz."""

    service: str
    hz: int


def wanted(shares: Iterable[Share], node: int | None, rest: int) -> int:
    """The frequency of all of them; of none, the node's; before that is known, the baseline."""
    highest = max((share.hz for share in shares), default=None)
    if highest is not None:
        return highest
    return rest if node is None else node


def shared_by(others: Sequence[Share], hz: int) -> str:
    """Who else it runs for, those first who have it run faster than `hz`; empty for nobody."""
    highest: dict[str, int] = {}
    for share in others:
        highest[share.service] = max(share.hz, highest.get(share.service, 0))
    ordered = sorted(highest.items(), key=lambda it: (-it[1], it[0]))
    words = [
        f"{name[:MAX_NAME]} ({theirs} Hz)" if theirs > hz else name[:MAX_NAME]
        for name, theirs in ordered[:NAMED]
    ]
    if not words:
        return ""
    more = len(ordered) - NAMED
    return f"shared by {', '.join(words)}" + (f" and {more} more" if more > 0 else "")
