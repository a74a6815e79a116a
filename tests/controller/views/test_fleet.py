"""The fleet in figures, as far as it is computed."""

from __future__ import annotations

from collections import Counter

from upshift_agent.contract import ALL, CPU, FLEET, Lease, Plan
from upshift_controller.views.fleet import MAX_SERVICES, Hz, fleet
from upshift_controller.views.standing import Frequencies, Standing

STOP = Lease(id="c", kind="cap", profile=ALL, hz=0, since_ms=1, expires_at_ms=9)
STOP_OF_CPU = Lease(id="d", kind="cap", hz=0, since_ms=1, expires_at_ms=9)
BOOST = Lease(id="b", kind="boost", hz=100, since_ms=1, expires_at_ms=9)


def agent(
    hz: int, applied_hz: int | None, *more: Frequencies, lost: bool = False, boosted: bool = False
) -> Standing:
    """One of cpu, and in `more` of other profiles, what is requested and what is applied."""
    requested: Frequencies = ((CPU, hz),)
    applied: Frequencies = () if applied_hz is None else ((CPU, applied_hz),)
    for frequencies in more[:1]:
        requested += frequencies
    for frequencies in more[1:]:
        applied += frequencies
    return Standing(
        requested=requested,
        lost=lost,
        converged=not lost and requested == applied,
        state="lost" if lost else "applied",
        boosted=boosted,
        applied=applied,
    )


def test_frequencies_are_summed_over_agents_that_live() -> None:
    gone = agent(100, 100, lost=True)
    agents = {
        "service/checkout": Counter({agent(100, 19, boosted=True): 3, gone: 2}),
        "service/cart": Counter({agent(19, 19): 4}),
        "node/a": Counter({agent(19, None): 1}),
        "service/nobody": Counter(),
    }
    found = fleet({}, agents, 5)
    assert found.hz[CPU] == Hz(3 * 100 + 5 * 19, 7 * 19)
    assert found.services == {"checkout": Hz(300, 57), "cart": Hz(76, 76)}
    assert found.agents == {"applied": 8, "lost": 2}
    assert (found.converged, found.boosted) == (4, 3)


def test_of_many_services_those_that_ask_for_most_have_figures() -> None:
    agents = {f"service/s{n}": Counter({agent(n, n): 1}) for n in range(MAX_SERVICES + 50)}
    found = fleet({}, agents, 5)
    assert len(found.services) == MAX_SERVICES
    assert min(it.requested for it in found.services.values()) == 50
    assert found.hz[CPU].requested == sum(range(MAX_SERVICES + 50))


def test_each_profile_is_summed_by_itself_and_services_have_figures_of_cpu_alone() -> None:
    waiting = agent(19, 19, (("wall", 100), ("heap", 4)), (("wall", 50),))
    found = fleet({}, {"service/checkout": Counter({waiting: 2})}, 5)
    assert found.hz == {
        "cpu": Hz(38, 38),
        "wall": Hz(200, 100),
        "alloc": Hz(),
        "lock": Hz(),
        "heap": Hz(8, 0),
    }
    assert found.services == {"checkout": Hz(38, 38)}


def test_leases_are_counted_by_kind_and_profile() -> None:
    wall = Lease(id="w", kind="boost", profile="wall", hz=9, since_ms=1, expires_at_ms=9)
    plan = Plan(target="service/a", rev=1, now_ms=1, leases=(STOP, BOOST, wall))
    assert fleet({"service/a": plan}, {}, 5).leases == {
        ("cap", "all"): 1,
        ("boost", "cpu"): 1,
        ("boost", "wall"): 1,
    }


def test_a_cap_of_every_profile_at_nothing_is_a_kill_switch_on_the_fleet_only() -> None:
    def stopped(target: str, stop: Lease) -> int:
        plan = Plan(target=target, rev=1, now_ms=1, leases=(stop, BOOST))
        return fleet({target: plan}, {}, 5).stopped

    assert (stopped(FLEET, STOP), stopped("service/checkout", STOP)) == (1, 0)
    assert stopped(FLEET, STOP_OF_CPU) == 0, "the others go on"
