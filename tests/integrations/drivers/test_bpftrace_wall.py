"""What waits, seen by the real bpftrace."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from host.drivers.attached import Kept
from host.processes import named, running
from upshift_agent import Decision, Profile
from upshift_host.drivers.bpftrace import rights
from upshift_host.drivers.bpftrace.node import BpftraceDriver, Node

pytestmark = pytest.mark.servers("bpftrace", "root, for networks of its own")

NAPS = """
import time
print("busy", flush=True)
while True:
    began = time.process_time()
    while time.process_time() - began < 0.05:
        pass
    time.sleep(0.15)
"""


@pytest.fixture
def tracefs() -> Iterator[None]:
    """Mounted, as it is on most machines."""
    if rights.sees_switches():
        yield
        return
    subprocess.run(["mount", "-t", "tracefs", "none", rights.TRACING[0]], check=True)
    yield
    subprocess.run(["umount", rights.TRACING[0]], check=True)


def test_what_waits_is_in_wall_beside_what_runs_and_each_has_its_own_rate(tracefs: None) -> None:
    others, kept = named("bpftrace"), Kept()
    rates: dict[Profile, Decision] = {"cpu": Decision(hz=19), "wall": Decision(hz=100)}
    with running([sys.executable, "-I", "-S", "-c", NAPS], "python") as workload:
        driver = BpftraceDriver(Node(), workload, kept)
        try:
            driver.apply(rates)
            assert len(named("bpftrace") - others) == 1
            time.sleep(8)  # what is counted is time
            driver.apply({**rates, "wall": Decision(hz=0)})
        finally:
            driver.close()
    (wall,) = [it for it in kept.windows if it.profile == "wall"]
    assert wall.hz == 100
    assert wall.count == pytest.approx(100 * (wall.ended_s - wall.began_s), rel=0.1)
    waited = sum(count for stack, count in wall.samples.items() if "schedule_[k]" in stack)
    assert waited > wall.count / 2
    assert {it.hz for it in kept.windows if it.profile == "cpu"} <= {19}
