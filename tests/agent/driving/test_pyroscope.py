"""The pyroscope driver on the real pyroscope-io, sending to a receiver of the test's own."""

import logging
import os
import time
from typing import Any

import pytest

from agent.driving.conftest import at
from servers import eventually
from upshift_agent import ConfigurationError, UpshiftError
from upshift_agent.drivers.pyroscope import PyroscopeDriver
from upshift_agent.runtime.log import log


@pytest.fixture
def configured(profiler: PyroscopeDriver, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every configure() that the library accepted."""
    import pyroscope

    calls = []
    configure = pyroscope.configure

    def note(**arguments: Any) -> Any:
        accepted = configure(**arguments)
        if accepted:
            calls.append(arguments)
        return accepted

    monkeypatch.setattr(pyroscope, "configure", note)
    return calls


def burn(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_each_change_restarts_the_profiler_and_sends_the_partial_window(
    profiler: PyroscopeDriver, configured: list[dict[str, Any]], received: tuple[str, list[bytes]]
) -> None:
    for count, hz in enumerate((19, 100, 19)):
        profiler.apply(at(hz))
        eventually(lambda count=count: len(received[1]) >= count)
        burn(0.3)
    assert [call["sample_rate"] for call in configured] == [19, 100, 19]


def test_a_frequency_that_runs_already_restarts_nothing(
    profiler: PyroscopeDriver, configured: list[dict[str, Any]]
) -> None:
    profiler.apply(at(19))
    profiler.apply(at(19))
    assert len(configured) == 1


def test_the_agents_attributes_become_tags(
    profiler: PyroscopeDriver, configured: list[dict[str, Any]]
) -> None:
    profiler.apply(at(19))
    assert configured[0]["application_name"] == "checkout"
    assert configured[0]["tags"] == {
        "service_name": "checkout",
        "service_instance_id": "seven",
        "region": "north",
    }


def test_zero_stops_the_profiler(
    profiler: PyroscopeDriver, configured: list[dict[str, Any]]
) -> None:
    profiler.apply(at(19))
    assert profiler.apply(at(0)) is None
    assert profiler.apply(at(19)) is None
    assert len(configured) == 2


def test_it_never_runs_above_what_was_asked_for(
    profiler: PyroscopeDriver,
    configured: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    profiler.apply(at(19))
    for _ in range(2):
        assert profiler.apply(at(4)) == {"cpu": 0}
    assert [call["sample_rate"] for call in configured] == [19]
    log.flush(time.monotonic() + 10)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        "pyroscope stopped: 4 Hz is below the 5 Hz that it can keep"
    ]


def test_far_above_its_range_it_runs_at_its_highest_and_says_so(
    profiler: PyroscopeDriver, configured: list[dict[str, Any]]
) -> None:
    assert profiler.apply(at(5000)) == {"cpu": 1000}
    assert configured[0]["sample_rate"] == 1000


def test_a_configure_that_returns_false_is_a_failure(
    profiler: PyroscopeDriver, received: tuple[str, list[bytes]]
) -> None:
    import pyroscope

    assert pyroscope.configure(application_name="the application's own", sample_rate=50)
    try:
        with pytest.raises(UpshiftError, match="returned False"):
            profiler.apply(at(19))
    finally:
        pyroscope.shutdown()
    assert profiler.apply(at(19)) is None


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # 3.12: fork among threads
def test_a_forked_child_profiles_itself(profiler: PyroscopeDriver) -> None:
    profiler.apply(at(19))
    child = os.fork()
    if child == 0:
        try:
            profiler.apply(at(19))
            running = profiler._running is not None and profiler._running[0] == os.getpid()
            profiler.close()
            os._exit(0 if running else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_a_sampler_that_ignores_the_rate_is_refused() -> None:
    import pyroscope

    stack = pyroscope.ProfilerImplementation.Stack
    with pytest.raises(ConfigurationError, match="does not follow sample_rate"):
        PyroscopeDriver(cpu_implementation=stack)


@pytest.mark.parametrize(
    "wrong", [{"sample_rate": 5}, {"oncpu": False}, {"server_adress": "http://localhost"}]
)
def test_what_configure_would_not_take_is_said_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        PyroscopeDriver(**wrong)
