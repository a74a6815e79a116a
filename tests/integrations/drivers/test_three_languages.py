"""A JVM, a Python and a C process that know nothing of Upshift, one host agent, an alert for each.

Everything is real: Valkey, the controller, the host agent, Flight Recorder, py-spy and bpftrace.
How exact each is stands in its driver's own tests.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.drivers.jfr.jdks import JAVAS
from host.processes import busy_python, compiled_c, compiled_java
from host.receiver import Ingested
from integrations.whole.world import World, world
from servers import RedisServer, eventually

pytestmark = pytest.mark.servers("javac", "cc", "bpftrace", "root, for networks of its own")

BOOST_S = 14
VERSION = max(JAVAS, default=17)
#: Service → the driver that is to carry it.
DRIVERS = {"billing": "jfr", "stock": "py-spy", "till": "bpftrace"}
#: Python and Java have a profiler of their own; what has none is left to eBPF.
STRATEGY = "[{method: push, priority: 1}, {method: ebpf, priority: 2}]"


@pytest.fixture
def running(tmp_path: Path, valkey: RedisServer) -> Iterator[World]:
    services = {
        "billing": [JAVAS[VERSION], "-Xmx64m", "-cp", compiled_java(tmp_path), "Busy", "1", "cpu"],
        "stock": busy_python(),
        "till": [compiled_c(tmp_path)],
    }
    with world(tmp_path, valkey, services, BOOST_S, STRATEGY) as made:
        yield made


def rate(windows: list[Ingested], hz: int) -> float:
    """Samples a second at this frequency: fewer than that where three busy processes, and what
    profiles them, share two cores. Of how much CPU time each had its driver's own tests know."""
    at = [it for it in windows if it.hz == hz]
    return sum(it.samples for it in at) / sum(it.seconds for it in at)


@pytest.mark.timeout(300)
def test_an_alert_about_each_raises_exactly_that_one_and_it_comes_back(running: World) -> None:
    assert len(running.config.read_text().splitlines()) <= 20

    def applied() -> dict[str, list[int]]:
        return {service: running.applied(service) for service in DRIVERS}

    rest = {service: [19] for service in DRIVERS}
    eventually(lambda: applied() == rest, within_s=60)
    carried = {service: running.statuses(service)[0].driver for service in DRIVERS}
    assert carried == DRIVERS
    for service in DRIVERS:
        running.fire(service)
        eventually(lambda service=service: applied() == {**rest, service: [100]}, within_s=20)
        eventually(lambda: applied() == rest, within_s=BOOST_S + 10)
    running.end_agent(signal.SIGTERM)
    for service, driver in DRIVERS.items():
        windows = running.windows(service)
        assert {it.hz for it in windows} == {19, 100}
        assert {it.profiler for it in windows} == {driver}
        assert rate(windows, 100) / rate(windows, 19) == pytest.approx(100 / 19, rel=0.3)
        boosted = sum(it.seconds for it in windows if it.hz == 100)
        assert boosted == pytest.approx(BOOST_S, abs=3)
        assert windows[-1].hz == 19
