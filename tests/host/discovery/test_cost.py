"""What looking costs, on real processes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from upshift_host.config import load
from upshift_host.discovery.discovery import Discovery
from upshift_host.discovery.table import YOUNG_S
from upshift_host.running.host import TICK_S

PROCESSES = 500
LOOKS = 20


@pytest.fixture
def crowd() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that sleep."""
    with ExitStack() as stack:
        started = []
        for _ in range(PROCESSES):
            started.append(stack.enter_context(subprocess.Popen(["sleep", "600"])))
            stack.callback(started[-1].kill)
        yield started


@pytest.mark.servers
def test_500_processes_cost_less_than_1_percent_of_a_core(
    crowd: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(
        "redis: redis://a\npyroscope: {url: 'http://a'}\n"
        "workloads: [{service: a, command: no such command}, {service: b, port: 1}]\n"
    )
    discovery = Discovery(load(path, {}))
    discovery.look(0.0)
    assert {it.pid for it in crowd} <= discovery.facts.keys()
    costs = []
    for number in range(LOOKS):
        began = time.process_time()
        discovery.look(2 * YOUNG_S + number * TICK_S)
        costs.append(time.process_time() - began)
    assert sum(costs) / (LOOKS * TICK_S) < 0.01, costs
