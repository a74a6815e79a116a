"""What holds of every decision, whatever the plans say."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from upshift_agent.contract import (
    ALL,
    CPU,
    FLEET,
    Baseline,
    Lease,
    Plan,
    Profile,
    applies,
    canonical,
)
from upshift_agent.contract.resolve import Decision, resolve

from .strategies import attributes, baselines, followed, hertz, moments, profiles

BASELINE = Baseline(19, {"production": 9, "staging": 49})
anything = given(
    plans=followed,
    attributes=attributes,
    baseline=baselines,
    local_max=st.none() | hertz,
    now_ms=moments,
)


def in_force(plans: list[Plan], attributes: dict[str, str], now_ms: int) -> list[Lease]:
    held = (lease for plan in plans for lease in plan.leases)
    ours = canonical(attributes)
    return [
        it
        for it in held
        if it.profile in (CPU, ALL) and now_ms < it.expires_at_ms and applies(it, ours)
    ]


def ends(plans: list[Plan]) -> set[int]:
    return {lease.expires_at_ms for plan in plans for lease in plan.leases}


@anything
def test_it_is_never_above_a_cap_or_the_local_maximum(
    plans: list[Plan],
    attributes: dict[str, str],
    baseline: Baseline,
    local_max: int | None,
    now_ms: int,
) -> None:
    decision = resolve(plans, attributes, baseline, local_max, now_ms)
    caps = [lease.hz for lease in in_force(plans, attributes, now_ms) if lease.kind == "cap"]
    assert all(decision.hz <= hz for hz in caps)
    assert local_max is None or decision.hz <= local_max
    assert decision.hz >= 0


@anything
def test_a_clamp_is_reported_exactly_where_the_local_maximum_binds(
    plans: list[Plan],
    attributes: dict[str, str],
    baseline: Baseline,
    local_max: int | None,
    now_ms: int,
) -> None:
    free = resolve(plans, attributes, baseline, None, now_ms)
    held = resolve(plans, attributes, baseline, local_max, now_ms)
    binds = local_max is not None and free.hz > local_max
    assert held.clamped_from == (free.hz if binds else None)
    assert held.hz == (local_max if binds else free.hz)
    assert (held.lease, held.until_ms, held.because) == (free.lease, free.until_ms, free.because)


@anything
def test_a_boost_never_lowers(
    plans: list[Plan],
    attributes: dict[str, str],
    baseline: Baseline,
    local_max: int | None,
    now_ms: int,
) -> None:
    boost = Lease(id="extra", kind="boost", hz=60, since_ms=0, expires_at_ms=now_ms + 1)
    more = [*plans, Plan(target="service/other", rev=1, now_ms=0, leases=(boost,))]
    before = resolve(plans, attributes, baseline, local_max, now_ms)
    assert resolve(more, attributes, baseline, local_max, now_ms).hz >= before.hz


@anything
def test_after_the_last_expiry_it_is_the_baseline_for_good(
    plans: list[Plan],
    attributes: dict[str, str],
    baseline: Baseline,
    local_max: int | None,
    now_ms: int,
) -> None:
    end = max(ends(plans), default=0)
    decision = resolve(plans, attributes, baseline, local_max, end + now_ms)
    bare = [Plan(target=p.target, rev=1, now_ms=0, baseline=p.baseline) for p in plans]
    assert decision == resolve(bare, attributes, baseline, local_max, 0)
    assert decision.lease is None
    assert decision.until_ms is None


@given(
    plans=followed,
    attributes=attributes,
    baseline=baselines,
    local_max=st.none() | hertz,
    now_ms=moments,
    random=st.randoms(use_true_random=False),
)
def test_the_order_of_plans_and_of_leases_does_not_matter(
    plans: list[Plan],
    attributes: dict[str, str],
    baseline: Baseline,
    local_max: int | None,
    now_ms: int,
    random: Any,
) -> None:
    ids = [lease.id for plan in plans for lease in plan.leases]
    assume(len(set(ids)) == len(ids))  # an id names one lease
    shuffled = []
    for plan in random.sample(plans, len(plans)):
        rows = tuple(random.sample(plan.leases, len(plan.leases)))
        shuffled.append(
            Plan(target=plan.target, rev=1, now_ms=0, leases=rows, baseline=plan.baseline)
        )
    assert resolve(shuffled, attributes, baseline, local_max, now_ms) == resolve(
        plans, attributes, baseline, local_max, now_ms
    )


@anything
def test_it_changes_only_at_the_moments_it_announces(
    plans: list[Plan],
    attributes: dict[str, str],
    baseline: Baseline,
    local_max: int | None,
    now_ms: int,
) -> None:
    decision = resolve(plans, attributes, baseline, local_max, now_ms)
    last = max(ends(plans) | {now_ms})
    while True:
        until = decision.until_ms
        assert until is None or now_ms < until <= last
        horizon = last + 1 if until is None else until
        edges = {moment + shift for moment in ends(plans) for shift in (-1, 0, 1)}
        for moment in {edge for edge in edges | {horizon - 1} if now_ms <= edge < horizon}:
            assert resolve(plans, attributes, baseline, local_max, moment) == decision
        if until is None:
            break
        after = resolve(plans, attributes, baseline, local_max, until)
        assert (after.hz, after.lease) != (decision.hz, decision.lease)
        decision, now_ms = after, until


@anything
def test_the_lease_that_decides_is_in_force_and_says_why(
    plans: list[Plan],
    attributes: dict[str, str],
    baseline: Baseline,
    local_max: int | None,
    now_ms: int,
) -> None:
    decision = resolve(plans, attributes, baseline, local_max, now_ms)
    if decision.lease is None:
        assert set(decision.because) == {"baseline"}
    else:
        assert decision.lease in in_force(plans, attributes, now_ms)
        assert decision.because == decision.lease.cause.said
        assert decision.reason.startswith(decision.lease.reason)


@given(
    plans=followed,
    attributes=attributes,
    baseline=baselines,
    local_max=st.none() | hertz,
    now_ms=moments,
    profile=profiles,
)
def test_each_profile_is_decided_as_if_there_were_no_other(
    plans: list[Plan],
    attributes: dict[str, str],
    baseline: Baseline,
    local_max: int | None,
    now_ms: int,
    profile: Profile,
) -> None:
    def alone(of: Baseline) -> Baseline:
        return of if profile == CPU else Baseline(of.profiles.get(profile, 0))

    as_cpu = [
        replace(
            plan,
            leases=[replace(it, profile=CPU) for it in plan.leases if it.profile in (profile, ALL)],
            baseline=plan.baseline and alone(plan.baseline),
        )
        for plan in plans
    ]
    expected = resolve(as_cpu, attributes, alone(baseline), local_max, now_ms)
    decision = resolve(plans, attributes, baseline, local_max, now_ms, profile)
    for name in ("hz", "until_ms", "clamped_from"):
        assert getattr(decision, name) == getattr(expected, name)
    assert (decision.lease and decision.lease.id) == (expected.lease and expected.lease.id)


def test_plans_may_come_as_an_iterator() -> None:
    boost = Lease(id="b/1", kind="boost", hz=100, since_ms=0, expires_at_ms=9)
    plans = (Plan(target=target, rev=1, now_ms=0, leases=(boost,)) for target in [FLEET])
    assert resolve(plans, {}, BASELINE, None, 0).hz == 100


def test_until_is_a_moment_in_utc() -> None:
    decision = Decision(hz=1, until_ms=1_800_000_000_001)
    assert decision.until == datetime(2027, 1, 15, 8, 0, 0, 1000, tzinfo=UTC)
    assert Decision(hz=1).until is None


@given(st.integers(0, 2**63 - 1))
@example(2**63 - 1)
@example(253_402_300_799_999)
@example(253_402_300_800_000)
def test_until_never_raises_into_a_driver(until_ms: int) -> None:
    assert Decision(hz=1, until_ms=until_ms).until is not None
