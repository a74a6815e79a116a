"""The fleet in figures, as far as it is computed."""

from __future__ import annotations

from collections import Counter

from upshift_agent.contract import FLEET, Lease, Plan
from upshift_controller.views.fleet import MAX_SERVICES, Hz, fleet
from upshift_controller.views.standing import Standing

STOP = Lease(id="c", kind="cap", hz=0, since_ms=1, expires_at_ms=9)
BOOST = Lease(id="b", kind="boost", hz=100, since_ms=1, expires_at_ms=9)


def agent(
    hz: int, applied_hz: int | None, *, lost: bool = False, boosted: bool = False
) -> Standing:
    return Standing(
        hz=hz,
        lost=lost,
        converged=not lost and hz == applied_hz,
        state="lost" if lost else "applied",
        boosted=boosted,
        applied_hz=applied_hz,
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
    assert found.hz == Hz(3 * 100 + 5 * 19, 7 * 19)
    assert found.services == {"checkout": Hz(300, 57), "cart": Hz(76, 76)}
    assert found.agents == {"applied": 8, "lost": 2}
    assert (found.converged, found.boosted) == (4, 3)


def test_of_many_services_those_that_ask_for_most_have_figures() -> None:
    agents = {f"service/s{n}": Counter({agent(n, n): 1}) for n in range(MAX_SERVICES + 50)}
    found = fleet({}, agents, 5)
    assert len(found.services) == MAX_SERVICES
    assert min(it.requested for it in found.services.values()) == 50
    assert found.hz.requested == sum(range(MAX_SERVICES + 50))


def test_a_cap_of_nothing_is_a_kill_switch_on_the_fleet_only() -> None:
    def stopped(target: str) -> int:
        plan = Plan(target=target, rev=1, now_ms=1, leases=(STOP, BOOST))
        return fleet({target: plan}, {}, 5).stopped

    assert (stopped(FLEET), stopped("service/checkout")) == (1, 0)
