"""A JVM, a Python and a C process that know nothing of Upshift, one host agent, an alert for each.

Everything is real: Valkey, the controller, the host agent, Flight Recorder, py-spy and bpftrace.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from host.spent import Spent, noting
from integrations.whole.three import DRIVERS, NEEDS, STRATEGY, three_languages
from integrations.whole.world import World, world
from servers import RedisServer, eventually

pytestmark = pytest.mark.servers(*NEEDS)

BOOST_S = 14


@pytest.fixture
def running(tmp_path: Path, valkey: RedisServer) -> Iterator[World]:
    with world(tmp_path, valkey, three_languages(tmp_path), BOOST_S, STRATEGY) as made:
        yield made


@pytest.mark.timeout(480)
def test_an_alert_about_each_raises_exactly_that_one_and_it_comes_back(running: World) -> None:
    assert len(running.config.read_text().splitlines()) <= 20

    def applied() -> dict[str, list[int]]:
        return {service: running.applied(service) for service in DRIVERS}

    rest = {service: [19] for service in DRIVERS}
    spent = {
        service: Spent(running.processes[service].pid, ready=driver == "py-spy")
        for service, driver in DRIVERS.items()
    }
    with noting(*spent.values()):
        eventually(lambda: applied() == rest, within_s=60)
        carried = {service: running.statuses(service)[0].driver for service in DRIVERS}
        assert carried == DRIVERS
        for service in DRIVERS:
            found = eventually(lambda service=service: running.achieved(service), within_s=120)
            # One window of some 200 samples; the receiver's counts below are held to 10 %.
            assert found == pytest.approx(19, rel=0.3)
        for service in DRIVERS:
            running.fire(service)
            eventually(lambda service=service: applied() == {**rest, service: [100]}, within_s=20)
            eventually(lambda: applied() == rest, within_s=BOOST_S + 10)
        running.end_agent(signal.SIGTERM)
    for service, driver in DRIVERS.items():
        windows = running.windows(service)
        assert {it.profiler for it in windows} == {driver}
        assert [hz for hz, _ in groupby(it.hz for it in windows)] == [19, 100, 19]
        for hz in (19, 100):
            at = [it for it in windows if it.hz == hz]
            spent[service].assert_counted(at, random=driver == "py-spy")
        boosted = sum(it.seconds for it in windows if it.hz == 100)
        assert boosted == pytest.approx(BOOST_S, abs=3)
        assert windows[-1].hz == 19
