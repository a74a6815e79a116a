"""How much of the default limit a controller may grant without asking, by what it knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from rules.world import MINUTE, START_MS
from upshift_agent.contract import ENVIRONMENT, FLEET, Cause, Kind, Lease
from upshift_controller.leasing.limiting.census import Census
from upshift_controller.leasing.limiting.headroom import Headroom
from upshift_rules.leases.agents import Agent, Living
from upshift_rules.leases.changes import Change, Override, Release, Scheduled
from upshift_rules.leases.limiting.reservations import Reservation
from upshift_rules.leases.limits import Ledger, Limits


class Reports:
    """Agents that live, by target."""

    def __init__(self, **services: int) -> None:
        self.services = services
        self.looks = 0

    async def live(self) -> Mapping[str, Living]:
        self.looks += 1
        services = {f"service/{name}": Living(count) for name, count in self.services.items()}
        return services | {FLEET: Living(sum(self.services.values()))}


async def known(*used: Reservation, **services: int) -> Headroom:
    """Of a fleet of 60 agents, so the limit is 20 and half of it 10."""
    census = Census(cast("Any", Reports(**services, rest=60 - sum(services.values()))))
    await census.look()
    headroom = Headroom(census)
    ledger = Ledger({f"{n}": it for n, it in enumerate(used)}, Limits(by_share=True), START_MS)
    headroom.booked({}, ledger)
    return headroom


def boosted(target: str, agents: int) -> Reservation:
    return Reservation(target, None, agents, agents, START_MS, START_MS + MINUTE)


def asks(kind: Kind = "boost") -> list[Change]:
    cause = Cause.of_operator("ann")
    return [Override(id="x/1", kind=kind, hz=99, duration_ms=MINUTE, where={}, cause=cause)]


def scheduled(kind: Literal["boost", "cap"]) -> list[Change]:
    window = {"starts_at_ms": START_MS, "ends_at_ms": START_MS + MINUTE}
    return [Scheduled(schedule="nightly", kind=kind, hz=99, where={}, **window)]


def lease(name: str) -> Lease:
    return Lease(id=name, kind="boost", hz=99, since_ms=START_MS, expires_at_ms=START_MS + MINUTE)


async def test_up_to_half_of_the_limit_is_granted_without_asking() -> None:
    headroom = await known(boosted("service/cart", 5), cart=5, small=5, large=6)
    assert headroom.covers([("service/small", asks())])
    assert not headroom.covers([("service/large", asks())])
    assert not headroom.covers([("service/large", scheduled("boost"))])
    assert not headroom.covers([("service/small", asks()), ("service/unknown", asks())])
    assert not headroom.covers([(FLEET, asks())])


async def test_what_is_boosted_already_takes_no_more_room() -> None:
    headroom = await known(boosted("service/cart", 9), cart=9)
    assert headroom.covers([("service/cart", asks())])


async def test_what_is_granted_and_not_booked_yet_is_counted() -> None:
    headroom = await known(small=5, other=5, third=5)
    headroom.note("service/small", lease("a"))
    headroom.note("service/other", lease("b"))
    assert headroom.covers([("service/small", asks())])
    assert not headroom.covers([("service/third", asks())])
    headroom.ended("service/other", "b")
    assert headroom.covers([("service/third", asks())])


async def test_what_raises_nobody_never_has_to_ask() -> None:
    headroom = await known(boosted("service/cart", 20), cart=20)
    harmless: list[Change] = [
        *asks("cap"),
        *scheduled("cap"),
        Release(lease=None, cause=Cause.of_operator("ann")),
    ]
    assert headroom.covers([(FLEET, harmless), ("service/other", [])])
    assert not headroom.covers([("service/other", asks("pin"))])


async def test_before_anything_is_known_everything_has_to_be_asked() -> None:
    assert not Headroom(Census(cast("Any", Reports()))).covers([("service/cart", asks())])


async def test_a_note_that_changed_while_it_was_booked_stays() -> None:
    headroom = await known(small=5)
    headroom.note("service/small", lease("a"))
    notes = dict(headroom.notes)
    headroom.ended("service/small", "a")
    headroom.booked(notes, Ledger({}, Limits(by_share=True), START_MS))
    assert headroom.notes["a"].lease is None
    headroom.booked(dict(headroom.notes), Ledger({}, Limits(by_share=True), START_MS))
    assert not headroom.notes


async def test_who_lives_is_not_counted_anew_for_each_that_asks() -> None:
    reports = Reports(cart=7)
    census = Census(cast("Any", reports))
    for _ in range(5):
        await census.look()
        assert await census.total() == 7
    assert reports.looks == 1


async def test_what_was_read_for_one_grant_is_known_to_the_next() -> None:
    reports = Reports(cart=1)
    census = Census(cast("Any", reports))
    attributes = {"service.name": "late", ENVIRONMENT: "production", "host.name": "a"}
    agent = Agent(attributes, ("cpu", "wall"))
    census.learn("service/late", [agent])
    assert census.known("service/late") is None  # nobody has counted yet
    await census.look()
    assert census.known("service/late") == 0
    census.learn("service/late", [agent])
    assert census.known("service/late") == 1
    assert census.living("service/late") == Living(
        1, frozenset({ENVIRONMENT}), frozenset({"cpu", "wall"})
    )
    census.learn("service/cart", [])
    assert census.known("service/cart") == 1
