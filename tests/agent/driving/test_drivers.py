"""What is taken for a driver: objects, callables, and names of installed distributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from servers import eventually
from upshift_agent import Agent, ConfigurationError, Decision, Driver, Profile
from upshift_agent.drivers.adapter import adapt
from upshift_agent.drivers.pyroscope import PyroscopeDriver
from upshift_agent.testing import FakeController

AT_19: Mapping[Profile, Decision] = {"cpu": Decision(hz=19)}


class Whole:
    """All that a driver may have, and what it was told."""

    name = "whole"
    profiles: tuple[Profile, ...] = ("cpu",)

    def __init__(self) -> None:
        self.heard: list[object] = []

    def identify(self, attributes: Mapping[str, str]) -> None:
        self.heard.append(attributes["service.name"])

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        self.heard.append({profile: decision.hz for profile, decision in decisions.items()})
        return {"cpu": 18.5}

    def close(self) -> None:
        self.heard.append("closed")


def test_an_object_is_told_whose_it_is_then_all_decisions_at_once_then_that_it_is_over(
    start: Callable[..., Agent], controller: FakeController
) -> None:
    driver = Whole()
    agent = start(driver=driver)
    (status,) = eventually(
        lambda: [it for it in controller.statuses("service/checkout").values() if it.applied]
    )
    assert status.driver == "whole"
    assert status.applied
    assert status.applied.profiles["cpu"].achieved_hz == 18.5
    agent.stop()
    assert driver.heard == ["checkout", {"cpu": 19}, "closed"]


def test_a_callable_gets_one_decision_and_returns_one_frequency() -> None:
    heard = []

    def switch(decision: Decision) -> float:
        heard.append(decision.hz)
        return 18.5

    driver = adapt(switch)
    driver.identify({})
    assert driver.apply(AT_19) == {"cpu": 18.5}
    driver.close({"cpu": Decision(hz=9)})
    driver.close(None)
    assert heard == [19, 9]
    assert driver.name == "switch"


def test_the_drivers_of_this_package_are_what_the_protocol_says() -> None:
    drivers: list[Driver] = [PyroscopeDriver(), Whole()]  # which mypy checks
    assert all(adapt(driver).name == driver.name for driver in drivers)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"name": None}, "has no name$"),
        ({"profiles": None}, "has no profiles$"),
        ({"apply": None}, "has no apply$"),
        ({"profiles": "cpu"}, r"must be a collection such as \(\"cpu\",\), got 'cpu'"),
        ({"profiles": 7}, "must be a collection .* got 7"),
        ({"profiles": ["gpu"]}, r"can be raised: \['gpu'\]; known are: cpu, wall, alloc"),
        ({"apply": 7}, "7 cannot be called"),
        ({"close": "now"}, "'now' cannot be called"),
        ({"apply": lambda self: None}, "cannot be called so: too many"),
        ({"identify": lambda self: None}, "cannot be called so: too many"),
        ({"trouble": "none"}, "'none' cannot be called"),
        ({"achieved": lambda self, which: None}, "cannot be called so: missing .* 'which'"),
        ({"close": lambda self, last: None}, "cannot be called so: missing .* 'last'"),
    ],
)
def test_an_object_that_is_no_driver_is_refused_with_what_it_lacks(
    members: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        adapt(type("Wrong", (Whole,), members)())


@pytest.mark.parametrize("member", ["identify", "apply", "close"])
def test_no_member_may_be_a_coroutine_function(member: str) -> None:
    async def later(self: object, *_: object) -> None: ...

    with pytest.raises(ConfigurationError, match="not a coroutine function"):
        adapt(type("Wrong", (Whole,), {member: later})())


def test_what_is_inherited_from_the_protocol_counts_as_left_out() -> None:
    """Its `close` does nothing, and the profiler would stay where it is."""
    heard = []

    class Heir(Driver):
        name = "heir"
        profiles: tuple[Profile, ...] = ("cpu",)

        def apply(self, decisions: Mapping[Profile, Decision]) -> None:
            heard.append(decisions["cpu"].hz)

    adapt(Heir()).close(AT_19)  # type: ignore[abstract]
    assert heard == [19]


@pytest.mark.parametrize("returned", [{"wall": 18.5}, {"cpu": "fast"}, {}, [("cpu", 18.5)], True])
def test_what_an_object_returns_is_looked_at_by_profile_and_nothing_else(returned: object) -> None:
    driver = type("Odd", (Whole,), {"apply": lambda self, _: returned})()
    assert adapt(driver).apply(AT_19) == {}


def test_a_number_is_of_the_only_profile_that_an_object_has() -> None:
    driver = type("Bare", (Whole,), {"apply": lambda self, _: 18.5})
    assert adapt(driver()).apply(AT_19) == {"cpu": 18.5}
    driver.profiles = ("cpu", "wall")
    assert adapt(driver()).apply(AT_19) == {}


def test_what_is_achieved_is_asked_anew_and_a_driver_that_cannot_say_has_none() -> None:
    assert adapt(Whole()).achieved() == {}
    driver = type("Telling", (Whole,), {"achieved": lambda self: {"cpu": 17.2, "wall": 5}})()
    assert adapt(driver).achieved() == {"cpu": 17.2}
    driver = type("Failing", (Whole,), {"achieved": lambda self: 1 / 0})()
    assert adapt(driver).achieved() == {}


def test_objects_that_are_one_share_one_turn() -> None:
    driver = Whole()
    assert adapt(driver).turn is adapt(driver).turn is not adapt(Whole()).turn
