"""Bounds how many leases a target holds and how large each is, so that its plan can be read. Pure.

Whoever asks has a room of their own: no number of alerts keeps an operator out, no number of
boosts and pins keeps a cap out, and no number of other caps the kill switch. What does not fit is
refused, before anything is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from upshift_agent.contract import ALL, MAX_LEASE_BYTES, Lease

from ..quick_json import dump

RULES = "boosts by rules"
BOOSTS = "boosts and pins by operators and schedules"
CAPS = "caps"
STOPS = "caps that stop all of it"
#: Together at most `MAX_LEASES`, which is what agents read.
ROOMS = {RULES: 256, BOOSTS: 64, CAPS: 64, STOPS: 16}


def room_of(lease: Lease) -> str:
    if lease.cause.origin != "operator":
        return RULES
    if lease.kind != "cap":
        return BOOSTS
    return CAPS if lease.hz or lease.where or lease.profile != ALL else STOPS


def unfit(lease: Lease, others: Collection[Lease], target: str) -> str | None:
    """Return why `target` cannot take this lease beside its `others`; None if it can."""
    size = len(dump(lease.to_json()).encode())
    if size > MAX_LEASE_BYTES:
        return (
            f"a lease may take {MAX_LEASE_BYTES} bytes of a plan, and this one would take {size}; "
            "let its where: name less"
        )
    room = room_of(lease)
    if len(others) < ROOMS[room] or sum(room_of(other) == room for other in others) < ROOMS[room]:
        return None
    return f"{target} already has {ROOMS[room]} {room}; release some first"


def outlasted(stop: Lease, others: Iterable[Lease]) -> Lease | None:
    """Return the kill switch that `stop` may take the place of, if any.

    It is the first to end of those on a whole target, where `stop` is one too and ends no sooner.
    So there is room for every kill switch that changes anything.
    """
    if room_of(stop) != STOPS:
        return None
    stops = (other for other in others if room_of(other) == STOPS)
    first = min(stops, key=lambda lease: lease.expires_at_ms, default=None)
    return first if first and first.expires_at_ms <= stop.expires_at_ms else None
