"""From an alert to what the backend counts: processes that know nothing of Upshift go up and back.

The controller, Valkey, the host agent and py-spy are real. py-spy draws its pauses at random, so N
samples are right to one part in √N.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from math import sqrt
from pathlib import Path

import pytest

from host.processes import busy_python
from host.receiver import Ingested
from integrations.whole.world import World, until_none_exists, world
from servers import CLOCKS, NETWORKS, RedisServer, eventually
from upshift_host.examining.kernel import capabilities

BOOST_S = 20
RESTING_S = 30


@pytest.fixture
def running(tmp_path: Path, valkey: RedisServer) -> Iterator[World]:
    services = {"checkout": busy_python(), "cart": busy_python()}
    with world(tmp_path, valkey, services, boost_s=BOOST_S) as made:
        yield made


def phases(windows: list[Ingested]) -> list[list[Ingested]]:
    """Windows one after the other at the same frequency."""
    found: list[list[Ingested]] = []
    for window in windows:
        if not found or found[-1][0].hz != window.hz:
            found.append([])
        found[-1].append(window)
    return found


def check_rate(windows: list[Ingested]) -> None:
    """One busy thread, so there are as many samples a second as were asked for."""
    samples = sum(it.samples for it in windows)
    seconds = sum(it.seconds for it in windows)
    assert samples / seconds == pytest.approx(windows[0].hz, rel=max(0.1, 4 / sqrt(samples)))


@pytest.mark.timeout(240)
@pytest.mark.servers
def test_an_alert_raises_the_process_that_it_is_about_and_it_comes_back(running: World) -> None:
    def watched(service: str, hz: int) -> float:
        return sum(it.seconds for it in running.windows(service) if it.hz == hz)

    eventually(lambda: running.applied("checkout") == running.applied("cart") == [19], within_s=30)
    eventually(lambda: watched("checkout", 19) > RESTING_S, within_s=60)
    running.fire("checkout")
    eventually(lambda: running.applied("checkout") == [100], within_s=10)
    assert running.applied("cart") == [19]
    eventually(lambda: running.applied("checkout") == [19], within_s=BOOST_S + 5)
    before = watched("checkout", 19)
    eventually(lambda: watched("checkout", 19) > before + RESTING_S, within_s=60)

    up_and_back = phases(running.windows("checkout"))
    assert [phase[0].hz for phase in up_and_back] == [19, 100, 19]
    for phase in up_and_back:
        check_rate(phase)
    assert sum(it.seconds for it in up_and_back[1]) == pytest.approx(BOOST_S, abs=2)
    (alone,) = phases(running.windows("cart"))
    assert alone[0].hz == 19
    check_rate(alone)
    labels = up_and_back[1][0].labels
    assert labels["host_name"] == "worker-3"
    assert any("spend" in frame for stack in up_and_back[1][0].stacks for frame in stack)
    (status,) = running.statuses("checkout")
    assert status.driver == "py-spy"


@pytest.mark.timeout(120)
@pytest.mark.servers
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_profiler_outlives_the_host_agent(running: World, number: signal.Signals) -> None:
    eventually(lambda: running.applied("checkout") == running.applied("cart") == [19], within_s=30)
    below = running.profilers()
    assert len(below) >= 2
    sent = len(running.receiver.ingested())
    assert running.end_agent(number) == (-number if number == signal.SIGKILL else 0)
    until_none_exists(below, within_s=5)
    assert all(it.poll() is None for it in running.processes.values())
    if number != signal.SIGKILL:
        assert len(running.receiver.ingested()) > sent, "the last window is sent"
        assert running.statuses("checkout") == running.statuses("cart") == []


@pytest.mark.timeout(120)
@pytest.mark.servers
def test_a_process_that_is_started_again_is_profiled_again(running: World) -> None:
    eventually(lambda: running.applied("checkout") == [19], within_s=30)
    running.end("checkout")
    eventually(lambda: running.statuses("checkout") == [], within_s=10)
    running.start("checkout")
    eventually(lambda: running.applied("checkout") == [19], within_s=15)
    assert "Traceback" not in running.log()


@pytest.mark.timeout(120)
@pytest.mark.servers(NETWORKS)
def test_a_container_that_restarts_in_other_namespaces_is_profiled_again(
    tmp_path: Path, valkey: RedisServer
) -> None:
    inside = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
    services = {"checkout": [*inside, *busy_python()]}
    with world(tmp_path, valkey, services, boost_s=60) as container:
        eventually(lambda: container.applied("checkout") == [19], within_s=30)
        container.fire("checkout")
        eventually(lambda: container.applied("checkout") == [100], within_s=10)
        container.end("checkout")
        eventually(lambda: container.statuses("checkout") == [], within_s=10)
        eventually(lambda: not container.profilers(), within_s=15)
        container.start("checkout")
        # The service's boost is still on, whichever process it is.
        eventually(lambda: container.applied("checkout") == [100], within_s=30)
        sent = len(container.windows("checkout"))
        eventually(lambda: len(container.windows("checkout")) > sent, within_s=20)
        assert container.windows("checkout")[-1].hz == 100


@pytest.mark.timeout(120)
@pytest.mark.servers(CLOCKS)
def test_it_needs_no_other_right_than_the_page_says(running: World) -> None:
    running.end_agent(signal.SIGTERM)
    sent = len(running.receiver.ingested())
    running.start_agent("setpriv", "--bounding-set=-all,+sys_ptrace", "--inh-caps=-all")
    eventually(lambda: running.applied("checkout") == [19], within_s=30)
    assert running.agent is not None
    status = Path(f"/proc/{running.agent.pid}/status").read_text()
    assert capabilities(status) == ("CAP_SYS_PTRACE",)
    eventually(lambda: len(running.receiver.ingested()) > sent, within_s=30)
