"""What is taken for a driver: objects, callables, and names of installed distributions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent
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
    assert (status.driver, status.applied and status.applied.achieved_hz) == ("whole", 18.5)
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
        ({"profiles": ["wall"]}, r"can be raised: \['wall'\]; known are: cpu"),
        ({"apply": 7}, "7 cannot be called"),
        ({"close": "now"}, "'now' cannot be called"),
        ({"apply": lambda self: None}, "cannot be called so: too many"),
        ({"identify": lambda self: None}, "cannot be called so: too many"),
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


@pytest.mark.parametrize("returned", [18.5, {"wall": 18.5}, {"cpu": "fast"}, {}, [("cpu", 18.5)]])
def test_what_an_object_returns_is_looked_at_by_profile_and_nothing_else(returned: object) -> None:
    driver = type("Odd", (Whole,), {"apply": lambda self, _: returned})()
    assert adapt(driver).apply(AT_19) == {}


def test_objects_that_are_one_share_one_turn() -> None:
    driver = Whole()
    assert adapt(driver).turn is adapt(driver).turn is not adapt(Whole()).turn


# By name


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], None]:
    """Install somebody's distribution: a package and its entry points, as pip leaves them."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(package: str, code: str, entry_points: str) -> None:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(dedent(code))
        about = tmp_path / f"{package}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[upshift.drivers]\n{entry_points}\n")
        monkeypatch.delitem(sys.modules, package, raising=False)

    return install


THEIRS = """
    class PerfDriver:
        name = "perf"
        profiles = ("cpu",)

        def __init__(self):
            self.heard = []
            made.append(self)

        def apply(self, decisions):
            self.heard.append(decisions["cpu"].hz)

    made = []
"""


def test_a_driver_of_another_distribution_is_had_by_its_name(
    install: Callable[..., None], start: Callable[..., Agent], controller: FakeController
) -> None:
    install("acme_perf", THEIRS, "perf = acme_perf:PerfDriver")
    agent = start(driver="perf")
    import acme_perf

    (driver,) = acme_perf.made
    eventually(lambda: driver.heard == [19])
    controller.boost("service/checkout", hz=100, for_s=60)
    eventually(lambda: driver.heard == [19, 100])
    assert agent.status
    assert agent.status.driver == "perf"


def test_the_environment_can_name_the_driver(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme_env", THEIRS, "perf = acme_env:PerfDriver")
    monkeypatch.setenv("UPSHIFT_REDIS_URL", "redis://127.0.0.1:6379")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "cart")
    with pytest.raises(ConfigurationError, match="which driver"):
        Agent.from_env()
    monkeypatch.setenv("UPSHIFT_DRIVER", " perf ")
    Agent.from_env()
    Agent.from_env(driver=print)
    import acme_env

    assert len(acme_env.made) == 1  # an argument goes before it


def test_pyroscope_is_had_by_its_name_and_finds_its_server_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYROSCOPE_SERVER_ADDRESS", "http://pyroscope:4040")
    monkeypatch.setenv("PYROSCOPE_TENANT_ID", "")
    driver = adapt("pyroscope")
    assert driver.name == "pyroscope"
    assert driver._owner._configure == {"server_address": "http://pyroscope:4040"}


@pytest.mark.parametrize(
    ("code", "entry_point", "message"),
    [
        ("", "other = acme_bad:x", r"installed as 'bad'; there are: other, pyroscope$"),
        ("", "no equals sign", "drivers cannot be listed"),
        ("", "bad = acme_gone:x", "ModuleNotFoundError: No module named 'acme_gone'"),
        ("", "bad = acme_bad:gone", r"bad \(acme_bad:gone\) cannot be used: AttributeError"),
        ("1 / 0", "bad = acme_bad:x", "ZeroDivisionError"),
        ("x = 7", "bad = acme_bad:x", "TypeError: 'int' object is not callable"),
        ("x = lambda needs: 7", "bad = acme_bad:x", "missing 1 required .* 'needs'"),
        ("x = lambda: 7", "bad = acme_bad:x", "7 has no name, profiles, apply"),
        ("x = lambda: 'pyroscope'", "bad = acme_bad:x", "'pyroscope' has no name, profiles, apply"),
        ("x = lambda: dict", "bad = acme_bad:x", "a driver is a callable .* got <class 'dict'>"),
    ],
)
def test_a_name_that_brings_no_driver_is_refused_with_the_reason(
    install: Callable[..., None], code: str, entry_point: str, message: str
) -> None:
    install("acme_bad", code, entry_point)
    with pytest.raises(ConfigurationError, match=message):
        adapt("bad")


def test_a_name_that_two_distributions_claim_is_refused(install: Callable[..., None]) -> None:
    install("acme_one", "x = lambda: print", "twice = acme_one:x")
    install("acme_two", "x = lambda: print", "twice = acme_two:x")
    with pytest.raises(ConfigurationError, match="as twice: acme_one:x, acme_two:x"):
        adapt("twice")
