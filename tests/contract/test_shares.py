"""Which agents a lease for a share of them selects."""

from hypothesis import given
from hypothesis import strategies as st

from upshift_agent.contract import AGENT, Lease, selects

from .strategies import leases


@given(leases, st.text(), st.floats(0, 1, exclude_min=True))
def test_a_larger_fraction_keeps_whom_a_smaller_one_selects(
    lease: Lease, agent: str, other: float
) -> None:
    small, large = sorted([lease.fraction, other])
    canary, wider = (
        Lease(
            id=lease.id,
            kind="boost",
            hz=1,
            since_ms=lease.since_ms,
            expires_at_ms=1,
            fraction=fraction,
            fraction_from=lease.fraction_from,
        )
        for fraction in (small, large)
    )
    assert selects(wider, {AGENT: agent}) or not selects(canary, {AGENT: agent})


def test_a_fraction_selects_about_its_share_of_a_large_fleet() -> None:
    canary = Lease(id="c/1", kind="boost", hz=100, since_ms=7, expires_at_ms=9, fraction=0.1)
    chosen = sum(selects(canary, {AGENT: f"{number:x}"}) for number in range(10_000))
    assert 900 <= chosen <= 1100
