"""What the API says of one target, as far as it is computed."""

from __future__ import annotations

from typing import Any

from upshift_agent.contract import FLEET, Baseline, Lease
from upshift_controller.views import view
from upshift_controller.views.models import TargetView
from upshift_rules.leases.state import TargetState

NOW_MS = 1_000_000
BASELINE = Baseline(19, {"staging": 49})


def lease(kind: str, hz: int, **more: Any) -> Lease:
    fields: dict[str, Any] = {"since_ms": 1, "expires_at_ms": NOW_MS + 1000}
    return Lease(id=f"{kind}/{hz}", kind=kind, hz=hz, **fields | more)  # type: ignore[arg-type]


def seen(*leases: Lease, known: tuple[str, ...] = (), rev: int = 1) -> TargetView:
    target = "service/checkout"
    states = {
        target: TargetState(target=target, rev=rev, leases=leases),
        FLEET: TargetState(target=FLEET, rev=1, baseline=BASELINE),
    }
    return view.target_view(target, states, [], BASELINE, NOW_MS, known)


def starting(*leases: Lease) -> dict[str | None, int]:
    return {it.environment: it.hz for it in seen(*leases).starting}


def test_an_agent_that_starts_now_runs_at_what_resolve_says_for_its_environment() -> None:
    assert starting() == {None: 19, "staging": 49}
    assert starting(lease("boost", 30)) == {None: 30, "staging": 49}
    assert starting(lease("pin", 30)) == {None: 30}
    older_spelling = {"deployment.environment": "staging"}
    assert starting(lease("cap", 9, where=older_spelling)) == {None: 19, "staging": 9}
    several = {"deployment.environment.name": ("production", "staging")}
    assert starting(lease("pin", 9, where=several)) == {None: 19, "production": 9, "staging": 9}


def test_an_agent_that_starts_in_the_namespace_of_a_boost_is_told_of() -> None:
    where = {"k8s.namespace.name": "shop", "zone": "a", "deployment.environment.name": "staging"}
    assert [it.hz for it in seen(lease("pin", 30, where=where)).starting] == [19, 49]
    del where["zone"]
    places = [
        (it.environment, it.where, it.hz) for it in seen(lease("pin", 30, where=where)).starting
    ]
    shop = {"k8s.namespace.name": "shop"}
    assert places == [(None, {}, 19), ("staging", {}, 49), ("staging", shop, 30)]
    anywhere = seen(lease("pin", 30, where=shop)).starting
    assert [(it.environment, it.where) for it in anywhere][1:] == [("staging", {}), (None, shop)]


def test_an_agent_that_starts_is_told_of_other_profiles_where_something_asks_for_them() -> None:
    def rows(*leases: Lease) -> list[tuple[str, str | None, int, str | None]]:
        found = seen(*leases).starting
        return [(it.profile, it.environment, it.hz, it.lease) for it in found]

    cpu = [("cpu", None, 19, None), ("cpu", "staging", 49, None)]
    assert rows() == cpu
    here = {"deployment.environment.name": "staging"}
    boost = lease("boost", 7, profile="wall", where=here)
    assert rows(boost) == [*cpu, ("wall", None, 0, None), ("wall", "staging", 7, "boost/7")]
    stopped = lease("cap", 0, profile="all")
    assert rows(stopped) == [("cpu", None, 0, "cap/0")], "what is off anyway is not told of"
    assert rows(boost, stopped)[1:] == [("wall", None, 0, None), ("wall", "staging", 0, "cap/0")]


def test_no_filter_makes_more_places_than_can_be_looked_at() -> None:
    many = tuple(f"n{number}" for number in range(100))
    where = {"k8s.namespace.name": many, "k8s.cluster.name": many, "service.namespace": many}
    assert len(seen(lease("pin", 30, where=where)).starting) == 2 + view.MAX_PLACES


def test_leases_that_are_not_for_every_agent_say_nothing_of_one_that_starts() -> None:
    some = lease("pin", 30, fraction=0.5), lease("pin", 31, where={"zone": "a"})
    assert starting(*some) == starting()
    assert starting(lease("pin", 30, expires_at_ms=NOW_MS)) == starting()


def test_a_target_without_agents_names_the_known_one_of_its_kind_that_is_most_like_it() -> None:
    known = ("fleet", "node/check-out", "service/cart", "service/checkout", "service/check-out")
    assert seen(known=known).near == "service/check-out"
    assert seen(known=("fleet", "node/check-out")).near == "node/check-out"
    assert seen(known=("fleet", "service/checkout", "service/basket")).near is None


def test_a_target_is_known_by_its_state_or_by_the_list() -> None:
    assert seen(rev=0).known is False
    assert seen(rev=0, known=("service/checkout",)).known is True
    assert seen(rev=1).known is True
