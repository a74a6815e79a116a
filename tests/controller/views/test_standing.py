"""What an agent should run at, and whether it does, of each profile that it can raise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from upshift_agent.contract import (
    ALL,
    FLEET,
    Applied,
    Baseline,
    Confirmed,
    Lease,
    Plan,
    Profile,
    Requested,
    Status,
    Wanted,
)
from upshift_controller.views.standing import Standing, standing

NOW_MS = 1_000_000
HOME = "service/checkout"
BASELINE = Baseline(19, {}, {"heap": 4})


def agent(requested: Mapping[Profile, int], applied: Mapping[Profile, int]) -> Status:
    confirmed = {it: Confirmed(hz=applied[it]) for it in applied}
    return Status(
        instance="a",
        attributes={},
        driver="recording",
        at_ms=NOW_MS,
        state="applied",
        since_ms=1,
        requested=Requested(revs={}, profiles={it: Wanted(hz=requested[it]) for it in requested}),
        applied=Applied(revs={HOME: 1, FLEET: 1}, at_ms=1, profiles=confirmed),
    )


def stands(status: Status, *leases: Lease) -> Standing:
    plans = {
        HOME: Plan(target=HOME, rev=1, now_ms=1, leases=leases),
        FLEET: Plan(target=FLEET, rev=1, now_ms=1, baseline=BASELINE),
    }
    return standing(HOME, status, plans, BASELINE, NOW_MS)


def lease(profile: str, hz: int, **more: Any) -> Lease:
    fields: dict[str, Any] = {"kind": "boost", "since_ms": 1, "expires_at_ms": NOW_MS + 1}
    return Lease(id=f"{profile}/{hz}", profile=profile, hz=hz, **fields | more)


def test_an_agent_is_asked_for_each_profile_that_it_can_raise_and_for_no_other() -> None:
    told = stands(agent({"heap": 4, "wall": 0, "cpu": 19}, {}), lease("wall", 49), lease("lock", 9))
    assert told.requested == (("cpu", 19), ("wall", 49), ("heap", 4))
    assert stands(agent({"heap": 4}, {}), lease("cpu", 49)).requested == (("heap", 4),)


def test_an_agent_has_converged_when_each_of_its_profiles_has() -> None:
    rests = {"cpu": 19, "wall": 0}
    assert stands(agent(rests, rests)).converged
    boost = lease("wall", 49)
    assert not stands(agent(rests, rests), boost).converged
    assert stands(agent(rests, {"cpu": 19, "wall": 49}), boost).converged
    assert not stands(agent(rests, {"cpu": 19}), boost).converged, "of wall it says nothing"
    assert not stands(replace(agent(rests, rests), applied=None)).converged


def test_whoever_has_any_profile_above_its_baseline_is_boosted_once() -> None:
    rests = {"cpu": 19, "wall": 0, "heap": 4}
    assert not stands(agent(rests, rests)).boosted
    assert stands(agent(rests, rests), lease("wall", 1)).boosted
    assert not stands(agent(rests, rests), lease("heap", 4, kind="pin")).boosted
    assert stands(agent(rests, rests), lease("heap", 5, kind="pin")).boosted
    assert not stands(agent({"cpu": 19}, {"cpu": 19}), lease("wall", 49)).boosted
    held = stands(agent(rests, rests), lease("wall", 49), lease(ALL, 0, kind="cap"))
    assert (held.boosted, held.requested) == (False, (("cpu", 0), ("wall", 0), ("heap", 0)))
