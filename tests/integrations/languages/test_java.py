"""A Java application that has no line of Upshift: -javaagent, an alert, and its samples counted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pytest

from host.spent import Spent, noting
from reliability.parts.controllers import controller, firing
from sdks.java import CLASSES, JAR, maven
from sdks.pushes import Window, receiving
from servers import eventually, redis_server

RULES = "sampling: {on_alert: [{trigger: high_cpu, frequency: 100, duration: 8s}]}\n"
PERIODS_MS = {53: 19, 10: 100}  # JFR's are whole milliseconds

pytestmark = [pytest.mark.servers("java", "mvn"), pytest.mark.xdist_group("java")]


def _java(version: str) -> str:
    """The program of this version, by its folder's name; else `java`, if that is of it."""
    for home in sorted(Path("/usr/lib/jvm").glob(f"*-{version}-*")):
        if (home / "bin" / "java").exists():
            return str(home / "bin" / "java")
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    if f'"{version}.' not in said:
        pytest.skip(f"there is no Java {version} here")
    return str(shutil.which("java"))


def rates(windows: Sequence[Window]) -> list[int]:
    return [hz for hz, _ in groupby(PERIODS_MS[it.period_ns // 1_000_000] for it in windows)]


@pytest.mark.parametrize("version", ["17", "25"])
def test_a_boost_of_a_busy_application_is_counted_19_100_19(version: str, tmp_path: Path) -> None:
    maven("package", "-DskipTests")
    with (
        redis_server(tmp_path / "redis") as server,
        receiving() as pushes,
        controller(tmp_path, server.url, rules=RULES) as upshift,
    ):
        busy = ["-cp", str(CLASSES), "upshift.agent.programs.Busy", "2"]
        process = subprocess.Popen(
            [_java(version), f"-javaagent:{JAR}", *busy],
            env=os.environ
            | {
                "UPSHIFT_REDIS_URL": server.url,
                "OTEL_SERVICE_NAME": "checkout",
                "PYROSCOPE_SERVER_ADDRESS": pushes.url,
            },
        )
        spent = Spent(process.pid)
        try:
            with noting(spent):
                eventually(lambda: len(pushes.windows()) >= 2, within_s=60)
                assert upshift.notify(firing()).status_code == 200
                eventually(lambda: rates(pushes.windows()) == [19, 100, 19], within_s=60)
                back = len(pushes.windows())
                eventually(lambda: len(pushes.windows()) > back, within_s=30)
        finally:
            process.terminate()
            process.wait(10)
    windows = pushes.windows()[1 : back + 1]  # the first one is of before there were notes
    assert all(it.one_period and it.name.startswith("checkout{") for it in windows)
    assert rates(windows) == [19, 100, 19]
    for period_ms, part in groupby(windows, key=lambda it: it.period_ns // 1_000_000):
        of_it = list(part)
        seen = sum(it.samples for it in of_it)
        spent_s = sum(spent.between(it.from_s, it.until_s) for it in of_it)
        asked = spent_s * 1000 / period_ms
        sys.stdout.write(f"{version}: each {period_ms} ms: {seen} samples of {asked:.0f}\n")
        if version == "17":
            # ExecutionSample has no signal of the thread's own: what waits for a CPU is asked too,
            # and sometimes answers in time. And some stacks cannot be walked.
            assert 0.5 * asked - 3 <= seen <= 2.0 * asked + 3
        else:
            assert 0.9 * asked - 3 <= seen <= 1.1 * asked + 3
