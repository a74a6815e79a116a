"""Limits that follow from how many agents live."""

import pytest

from rules.world import MINUTE, START_MS
from upshift_agent.contract import Lease
from upshift_rules.leases.limiting.reservations import Reservation
from upshift_rules.leases.limits import Ledger, Limits


@pytest.mark.parametrize(
    ("live", "most"),
    [(0, 10), (1, 10), (30, 10), (32, 10), (33, 11), (500, 166), (3 * 10**6, 10**6)],
)
def test_a_third_of_the_live_agents_may_be_boosted_and_10_at_least(live: int, most: int) -> None:
    assert Limits(by_share=True).among(live).max_boosted_agents == most


def test_a_number_that_the_user_gives_does_not_follow_the_fleet() -> None:
    assert Limits(max_boosted_agents=3).among(500).max_boosted_agents == 3
    assert Limits().among(500).max_boosted_agents is None


def test_a_default_limit_is_counted_before_it_is_known_how_many_live() -> None:
    assert Limits(by_share=True).counted
    assert not Limits().counted


def test_what_is_granted_stays_where_the_fleet_shrinks_and_nothing_is_added() -> None:
    limits = Limits(by_share=True)
    part = Reservation("service/a", None, 100, 100, START_MS, START_MS + 10 * MINUTE)
    before = Ledger({}, limits.among(300), START_MS)
    assert before.take("a", part) is None
    after = Ledger(before.finish(), limits.among(30), START_MS)
    assert after.boosted_agents == 100
    refusal = after.take("b", part._replace(target="service/b", agents=1, known=1))
    assert refusal is not None
    assert refusal.reason == (
        "limits.max_boosted_agents is 10 unless upshift.yaml sets another (a third of the live "
        "agents, at least 10); 100 are boosted, and this would boost 1 more"
    )


def test_a_refusal_by_the_default_frequency_says_who_may_set_another() -> None:
    lease = Lease(id="x/1", kind="boost", hz=201, since_ms=0, expires_at_ms=1)
    refusal = Limits(max_frequency_hz=200).too_fast(lease)
    assert refusal is not None
    assert "200 Hz unless upshift.yaml sets another, and this boost asks" in refusal.reason
