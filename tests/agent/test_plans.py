import pytest

from upshift_agent.contract import Lease, Plan, encode_plan
from upshift_agent.contract.errors import SignatureRefused, WireError
from upshift_agent.following.plans import Plans

HOME = "service/checkout"


def plan(rev: int = 1, target: str = HOME, now_ms: int = 0, secret: bytes | None = None) -> bytes:
    lease = Lease(id=f"boost/{rev}", kind="boost", hz=100, since_ms=0, expires_at_ms=9_999_999)
    return encode_plan(
        Plan(target=target, rev=rev, now_ms=now_ms, leases=(lease,)), secret
    ).encode()


def test_only_a_newer_revision_is_news() -> None:
    plans = Plans()
    assert plans.take(HOME, plan(2))
    assert not plans.take(HOME, plan(2))
    assert not plans.take(HOME, plan(1))
    assert plans.take(HOME, plan(3))
    assert plans.revs([HOME, "fleet"]) == {HOME: 3}


def test_a_revision_of_a_time_that_never_came_keeps_no_plan_of_now_from_being_news() -> None:
    """Redis's clock was years ahead, or its contents were spoilt, and it has lost them since."""
    plans, now_ms = Plans(), 1_800_000_000_000
    far, now = 2**53 - 1, now_ms * 1000
    assert plans.take(HOME, plan(far), now_ms=now_ms)
    assert not plans.take(HOME, plan(now))  # while nobody knows what time it is
    assert not plans.take(HOME, plan(far - 1), now_ms=now_ms)
    assert plans.take(HOME, plan(now), now_ms=now_ms)
    assert not plans.take(HOME, plan(now - 1), now_ms=now_ms)
    # A clock that was an hour ahead: what was said then is still newer.
    assert plans.take(HOME, plan(now + 3600 * 10**6), now_ms=now_ms)
    assert not plans.take(HOME, plan(now + 1), now_ms=now_ms)


def test_targets_have_revisions_of_their_own() -> None:
    plans = Plans()
    plans.take(HOME, plan(7))
    plans.take("fleet", plan(3, target="fleet"))
    assert plans.revs([HOME, "fleet"]) == {HOME: 7, "fleet": 3}


def test_a_plan_for_another_target_is_refused() -> None:
    with pytest.raises(WireError, match="addressed to 'service/cart'"):
        Plans().take(HOME, plan(target="service/cart"))


def test_a_refused_plan_is_reported_until_a_good_one_comes() -> None:
    plans = Plans()
    with pytest.raises(WireError):
        plans.take(HOME, b'{"v": 2}')
    assert plans.skipped([HOME]) == ("plan of service/checkout: plan version must be 1, got 2",)
    plans.take(HOME, plan())
    assert plans.skipped([HOME]) == ()


def test_a_refused_plan_leaves_the_one_in_force() -> None:
    plans = Plans()
    plans.take(HOME, plan(5))
    with pytest.raises(WireError):
        plans.take(HOME, b"not JSON")
    assert plans.revs([HOME, "fleet"]) == {HOME: 5}


def test_with_secrets_any_of_them_will_do_and_nothing_else() -> None:
    plans = Plans(secrets=[b"new", b"old"])
    for rev, secret in enumerate((b"old", b"new"), 1):
        assert plans.take(HOME, plan(rev, secret=secret))
    for message in (plan(9), plan(9, secret=b"other")):
        with pytest.raises(SignatureRefused):
            plans.take(HOME, message)


@pytest.mark.parametrize("age_ms", [30_001, -30_001])
def test_a_signed_plan_that_is_pushed_stale_is_refused(age_ms: int) -> None:
    message = plan(now_ms=100_000, secret=b"s")
    with pytest.raises(SignatureRefused, match="at most 30 s"):
        Plans([b"s"]).take(HOME, message, pushed_at_ms=100_000 + age_ms)
    assert Plans([b"s"]).take(HOME, message, pushed_at_ms=130_000)


def test_a_snapshot_may_be_as_old_as_its_last_change() -> None:
    assert Plans([b"s"]).take(HOME, plan(now_ms=1, secret=b"s"))


def lease(name: str, since_ms: int, expires_at_ms: int = 9_999) -> Lease:
    return Lease(id=name, kind="cap", hz=9, since_ms=since_ms, expires_at_ms=expires_at_ms)


def held(plans: Plans) -> list[str]:
    (known,) = plans.known([HOME])
    return sorted(it.id for it in known.leases)


def told(plans: Plans, rev: int, after: int, *leases: Lease, now_ms: int = 0) -> list[str]:
    message = Plan(target=HOME, rev=rev, after=after, now_ms=now_ms, leases=leases)
    plans.take(HOME, encode_plan(message).encode())
    return held(plans)


def test_a_lease_that_redis_has_lost_runs_to_its_end() -> None:
    plans = Plans()
    told(plans, 1_000_000, 0, lease("old", 1000))
    assert told(plans, 2_000_000, 0, lease("new", 2000)) == ["new", "old"]
    assert told(plans, 3_000_000, 2_000_000, lease("new", 2000), now_ms=9_998) == ["new", "old"]
    assert told(plans, 4_000_000, 3_000_000, now_ms=9_999) == []


def test_a_lease_granted_after_an_older_snapshot_runs_to_its_end() -> None:
    plans = Plans()
    told(plans, 1_000_000, 0, lease("saved", 1000))
    told(plans, 2_000_000, 1_000_000, lease("saved", 1000), lease("lost", 2000))
    assert told(plans, 3_000_000, 1_000_000, lease("saved", 1000)) == ["lost", "saved"]


def test_a_lease_that_was_ended_is_gone_also_when_plans_in_between_were_missed() -> None:
    plans = Plans()
    told(plans, 1_000_000, 0, lease("boost", 1000))
    assert told(plans, 5_000_000, 4_000_000) == []
    told(plans, 6_000_000, 5_000_000, lease("boost", 6000))
    assert told(plans, 6_000_001, 6_000_000) == []


def test_a_controller_that_does_not_say_what_came_before_ends_what_it_leaves_out() -> None:
    plans = Plans()
    plans.take(HOME, plan(1))
    plans.take(HOME, encode_plan(Plan(target=HOME, rev=2, now_ms=0)).encode())
    assert held(plans) == []


def test_after_redis_set_its_clock_back_a_lease_runs_for_its_length_once_more() -> None:
    plans = Plans()
    lease = Lease(id="boost/1", kind="boost", hz=100, since_ms=3_600_000, expires_at_ms=3_660_000)
    plans.take(HOME, encode_plan(Plan(target=HOME, rev=1, now_ms=0, leases=(lease,))).encode())
    for now_ms in (0, 1000):
        plans.bound(now_ms)
        (held,) = plans.known([HOME])[0].leases
        assert (held.since_ms, held.expires_at_ms) == (0, 60_000)
