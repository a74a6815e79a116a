"""The pyroscope driver on the real pyroscope-io, sending to a receiver of the test's own."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from servers import eventually
from upshift_agent import ConfigurationError, Decision, Profile, UpshiftError
from upshift_agent.drivers.pyroscope import PyroscopeDriver
from upshift_agent.runtime.log import log

ATTRIBUTES = {"service.name": "checkout", "service.instance.id": "seven", "process.pid": "1"}


@pytest.fixture
def received() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a receiver, and the profiles pushed to it."""
    profiles: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # http.server's own name
            profiles.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}", profiles
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.fixture
def driver(received: tuple[str, list[bytes]]) -> Iterator[PyroscopeDriver]:
    driver = PyroscopeDriver(server_address=received[0], tags={"region": "north"})
    driver.identify(ATTRIBUTES)
    yield driver
    driver.close()


@pytest.fixture
def configured(driver: PyroscopeDriver, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
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


def at(hz: int) -> dict[Profile, Decision]:
    return {"cpu": Decision(hz=hz)}


def burn(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_each_change_restarts_the_profiler_and_sends_the_partial_window(
    driver: PyroscopeDriver, configured: list[dict[str, Any]], received: tuple[str, list[bytes]]
) -> None:
    for count, hz in enumerate((19, 100, 19)):
        driver.apply(at(hz))
        eventually(lambda count=count: len(received[1]) >= count)
        burn(0.3)
    assert [call["sample_rate"] for call in configured] == [19, 100, 19]


def test_a_frequency_that_runs_already_restarts_nothing(
    driver: PyroscopeDriver, configured: list[dict[str, Any]]
) -> None:
    driver.apply(at(19))
    driver.apply(at(19))
    assert len(configured) == 1


def test_the_agents_attributes_become_tags(
    driver: PyroscopeDriver, configured: list[dict[str, Any]]
) -> None:
    driver.apply(at(19))
    assert configured[0]["application_name"] == "checkout"
    assert configured[0]["tags"] == {
        "service_name": "checkout",
        "service_instance_id": "seven",
        "region": "north",
    }


def test_zero_stops_the_profiler(driver: PyroscopeDriver, configured: list[dict[str, Any]]) -> None:
    driver.apply(at(19))
    assert driver.apply(at(0)) == {"cpu": 0}
    assert driver.apply(at(19)) is None
    assert len(configured) == 2


def test_it_never_runs_above_what_was_asked_for(
    driver: PyroscopeDriver,
    configured: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    driver.apply(at(19))
    for _ in range(2):
        assert driver.apply(at(4)) == {"cpu": 0}
    assert [call["sample_rate"] for call in configured] == [19]
    log.flush(time.monotonic() + 10)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        "pyroscope stopped: 4 Hz is below the 5 Hz that it can keep"
    ]


def test_far_above_its_range_it_runs_at_its_highest_and_says_so(
    driver: PyroscopeDriver, configured: list[dict[str, Any]]
) -> None:
    assert driver.apply(at(5000)) == {"cpu": 1000}
    assert configured[0]["sample_rate"] == 1000


def test_a_configure_that_returns_false_is_a_failure(
    driver: PyroscopeDriver, received: tuple[str, list[bytes]]
) -> None:
    import pyroscope

    assert pyroscope.configure(application_name="the application's own", sample_rate=50)
    try:
        with pytest.raises(UpshiftError, match="returned False"):
            driver.apply(at(19))
    finally:
        pyroscope.shutdown()
    assert driver.apply(at(19)) is None


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # 3.12: fork among threads
def test_a_forked_child_profiles_itself(driver: PyroscopeDriver) -> None:
    driver.apply(at(19))
    child = os.fork()
    if child == 0:
        try:
            driver.apply(at(19))
            running = driver._running == (os.getpid(), 19)
            driver.close()
            os._exit(0 if running else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("wrong", [{"sample_rate": 5}, {"server_adress": "http://localhost"}])
def test_what_configure_would_not_take_is_said_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        PyroscopeDriver(**wrong)
