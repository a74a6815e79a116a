"""Drivers by the name that a distribution registers them under."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from servers import eventually
from upshift_agent import Agent, ConfigurationError
from upshift_agent.drivers.adapter import adapt
from upshift_agent.testing import FakeController


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
