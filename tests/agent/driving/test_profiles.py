"""What an agent and its driver say to each other, of several profiles and between calls."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.driving.test_drivers import Whole
from servers import eventually
from upshift_agent import Agent, Profile
from upshift_agent.contract import ALL
from upshift_agent.following import reporting
from upshift_agent.testing import FakeController, RecordingDriver


def test_a_driver_that_no_longer_does_what_it_has_confirmed_has_failed(
    start: Callable[..., Agent], controller: FakeController, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "STATUS_INTERVAL_S", 0.1)
    driver = type("Troubled", (Whole,), {"trouble": lambda self: self.why, "why": None})()
    start(driver=driver)

    def reported() -> tuple[str, str, str | None]:
        (status,) = controller.statuses("service/checkout").values()
        return status.driver, status.state, status.error

    eventually(lambda: reported() == ("whole", "applied", None))
    driver.why, driver.name = "three windows\nin a row were empty", "half"
    eventually(lambda: reported() == ("half", "failed", "three windows in a row were empty"))
    driver.why = None
    eventually(lambda: reported() == ("half", "applied", None))


def test_an_agent_decides_for_each_profile_of_its_driver_and_applies_all_at_once(
    start: Callable[..., Agent], controller: FakeController
) -> None:
    driver = RecordingDriver(profiles=("cpu", "wall", "heap"))
    start(driver=driver)
    eventually(lambda: driver.applied)
    controller.set_baseline(19, profiles={"heap": 2})
    controller.add("service/checkout", "boost", hz=49, for_s=1.5, profile="wall")

    def hz() -> dict[Profile, int]:
        return {profile: decision.hz for profile, decision in driver.applied[-1].items()}

    eventually(lambda: hz() == {"cpu": 19, "wall": 49, "heap": 2})
    (status,) = eventually(
        lambda: [it for it in controller.statuses("service/checkout").values() if it.applied]
    )
    assert status.requested.profiles.keys() == {"cpu", "wall", "heap"}
    eventually(lambda: hz() == {"cpu": 19, "wall": 0, "heap": 2})


def test_a_cap_of_zero_on_the_fleet_binds_every_profile(
    start: Callable[..., Agent], controller: FakeController
) -> None:
    driver = RecordingDriver(profiles=("cpu", "wall"))
    start(driver=driver)
    controller.add("service/checkout", "boost", hz=49, for_s=60, profile="wall")
    controller.add("fleet", "cap", hz=0, for_s=60, profile=ALL)
    eventually(lambda: driver.applied)
    eventually(lambda: {each.hz for each in driver.applied[-1].values()} == {0})
