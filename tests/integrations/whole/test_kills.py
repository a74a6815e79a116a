"""The host agent is killed, at any moment: nothing of it stays up, and it comes back as it was."""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.processes import named, state
from integrations.whole.three import DRIVERS, NEEDS, STRATEGY, three_languages
from integrations.whole.world import World, world
from servers import RedisServer, eventually
from upshift_host.drivers.jfr.attach import ask

pytestmark = pytest.mark.servers(*NEEDS)

TIMES = 20
BOOST_S = 5
#: Until then it has started, and its profilers, and gone up; often it is still on its way.
LATEST_S = 7.0
GONE_S = 15.0


@pytest.fixture
def running(tmp_path: Path, valkey: RedisServer) -> Iterator[World]:
    with world(tmp_path, valkey, three_languages(tmp_path), BOOST_S, STRATEGY) as made:
        yield made


def profilers(running: World) -> set[int]:
    """The py-spys and bpftraces that look at our processes, whoever their parents are by now."""
    pids = "|".join(str(it.pid) for it in running.processes.values())
    theirs = re.compile(rb"(?<![0-9])(" + pids.encode() + rb")(?![0-9])")
    found = set()
    for pid in named("py-spy") | named("bpftrace") | named("setpriv"):
        try:
            if theirs.search(Path(f"/proc/{pid}/cmdline").read_bytes()):
                found.add(pid)
        except OSError:
            continue
    return found


def recordings(running: World) -> set[str]:
    """Ours that run in the JVM."""
    said = ask(running.processes["billing"].pid, "JFR.check")
    return {line.split()[2] for line in said.splitlines() if "(running)" in line}


@pytest.mark.timeout(600)
def test_killed_at_any_moment_all_is_at_the_baseline_within_15_s(running: World) -> None:
    left: dict[str, float] = {}  # recording → when it was left alone
    for number in range(TIMES):
        for service in DRIVERS:
            running.fire(service, episode=str(number))
        time.sleep(random.uniform(0, LATEST_S))
        running.end_agent(signal.SIGKILL)
        eventually(lambda: not profilers(running), within_s=GONE_S)
        now = time.monotonic()
        left = {it: left.get(it, now) for it in recordings(running)}
        assert all(now - since < GONE_S + 1 for since in left.values())
        assert {state(it.pid) in "RS" for it in running.processes.values()} == {True}
        running.start_agent()
    running.end_agent(signal.SIGKILL)
    eventually(lambda: not recordings(running), within_s=GONE_S + 1, every_s=0.5)
    assert not profilers(running)

    over_s = time.time() + BOOST_S + 2.0  # the last boost
    running.start_agent()
    rest = {service: [19] for service in DRIVERS}
    eventually(lambda: {it: running.applied(it) for it in DRIVERS} == rest, within_s=40)
    time.sleep(max(0.0, over_s + 1.0 - time.time()))
    running.end_agent(signal.SIGTERM)
    for service in DRIVERS:
        assert {it.hz for it in running.windows(service) if it.until_s > over_s} <= {19}
    assert "Traceback" not in running.log()
