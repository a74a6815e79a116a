"""Upshift's Elastic bridge with the real Java and Python agents. The APM Server behind is a
stand-in, for the real one is not to be had: it answers as its documentation says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from host.bridges.elastic.apm_server import ApmServer, apm_server
from host.bridges.process import BridgeProcess, applied, bridge, statuses
from servers import RedisServer, eventually
from upshift_agent.testing import FakeController

pytestmark = [pytest.mark.servers("javac", "mvn"), pytest.mark.timeout(600)]
SECRET = "s3cret-and-nobody-elses"
BILLING, STOCK = "service/billing", "service/stock"
AGENT = "co.elastic.apm:elastic-apm-agent:1.55.1"


@pytest.fixture(scope="session")
def jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elastic")
    copy = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={AGENT}"]
    subprocess.run([*copy, f"-DoutputDirectory={folder}"], check=True, cwd=folder)
    return next(folder.glob("*.jar"))


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory, jar: Path) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    source = Path(__file__).with_name("Traced.java")
    api = ["-cp", str(jar)]
    subprocess.run(["javac", "--release", "17", "-d", folder, *api, source], check=True)
    return folder


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def server() -> Iterator[ApmServer]:
    with apm_server(capture_body="off") as made:
        yield made


@pytest.fixture
def controller(valkey: RedisServer) -> Iterator[FakeController]:
    controller = FakeController(valkey.url)
    yield controller
    controller.close()


@pytest.fixture
def elastic(
    stack: ExitStack, tmp_path: Path, valkey: RedisServer, server: ApmServer
) -> BridgeProcess:
    section = f"  server: {{url: '{server.url}'}}\n  transaction_sample_rate: 1.0\n"
    made = bridge("elastic", tmp_path / "bridge", valkey, section)
    made.start()
    stack.callback(made.stop)
    return made


def java(
    stack: ExitStack, log: Path, jar: Path, classes: Path, port: int
) -> subprocess.Popen[bytes]:
    """Busy in transactions, whose spans its agent infers."""
    options = {
        "server_url": f"http://127.0.0.1:{port}",
        "service_name": "billing",
        "environment": "production",
        "secret_token": SECRET,
        "profiling_inferred_spans_enabled": "true",
        "trace_methods": "Traced#work",
        "log_level": "debug",  # which says how many stacks each session has had
    }
    given = [f"-Delastic.apm.{name}={value}" for name, value in options.items()]
    with log.open("wb") as out:
        started = subprocess.Popen(
            ["java", f"-javaagent:{jar}", *given, "-cp", str(classes), "Traced"],
            stdout=out,
            stderr=out,
        )
    stack.callback(started.wait)
    stack.callback(started.kill)
    return started


def python(stack: ExitStack, port: int) -> subprocess.Popen[str]:
    """Each line is a sample rate that is in force in it from then on."""
    app = Path(__file__).with_name("traced.py")
    started = subprocess.Popen(
        [sys.executable, str(app), f"http://127.0.0.1:{port}", SECRET],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    stack.callback(started.stdout.close)
    stack.callback(started.wait)
    stack.callback(started.kill)
    return started


def test_the_java_agent_takes_five_times_as_many_stacks_while_a_boost_holds(
    stack: ExitStack, tmp_path: Path, valkey: RedisServer, server: ApmServer,
    elastic: BridgeProcess, controller: FakeController, jar: Path, classes: Path,
) -> None:  # fmt: skip
    log = tmp_path / "java.log"

    def stacks() -> list[int]:
        """Of each session, which lasts 5 s."""
        text = log.read_text(errors="replace")
        return [int(it) for it in re.findall(r"Processing (\d+) stack traces", text)]

    java(stack, log, jar, classes, elastic.listens)
    eventually(lambda: applied(valkey, BILLING) == [19], within_s=60)
    eventually(lambda: stacks()[-1:] > [10], within_s=30)
    (status,) = statuses(valkey, BILLING)
    assert status.attributes["deployment.environment.name"] == "production"
    assert status.applied is not None
    assert status.applied.profiles["cpu"].achieved_hz == pytest.approx(1000 / 53)
    controller.boost(BILLING, hz=100, for_s=40)
    eventually(lambda: applied(valkey, BILLING) == [100], within_s=30)
    eventually(lambda: max(stacks()) > 4 * min(stacks()) > 0, within_s=30)
    eventually(lambda: applied(valkey, BILLING) == [19], within_s=60)
    told = {*re.findall(r"configuration from APM Server: \{(.*)\}", log.read_text())}
    assert told == {
        "capture_body=off, profiling_inferred_spans_sampling_interval=53ms",
        "capture_body=off, transaction_sample_rate=1, "
        "profiling_inferred_spans_sampling_interval=10ms",
    }
    # Its events have passed through, as they were.
    events = next(it for it in server.requests if it.path == "/intake/v2/events")
    assert b'"metadata"' in events.body
    assert events.headers["Authorization"] == f"Bearer {SECRET}"
    assert SECRET not in elastic.said()


def test_the_python_agent_samples_more_transactions_and_goes_back(
    stack: ExitStack, valkey: RedisServer, server: ApmServer, elastic: BridgeProcess,
    controller: FakeController,
) -> None:  # fmt: skip
    server.settings["transaction_sample_rate"] = "0.1"
    app = python(stack, elastic.listens)
    assert app.stdout is not None
    rates = (float(line) for line in app.stdout)
    assert next(it for it in rates if it != 0.5) == 0.1
    eventually(lambda: applied(valkey, STOCK) == [19], within_s=30)
    controller.boost(STOCK, hz=100, for_s=12)
    assert next(rates) == 1.0
    eventually(lambda: applied(valkey, STOCK) == [100], within_s=30)
    (status,) = statuses(valkey, STOCK)
    assert status.driver == "elastic python: no profiler, traces at most"
    assert status.applied is not None
    assert status.applied.profiles["cpu"].achieved_hz == 0
    assert next(rates) == 0.1
    assert SECRET not in elastic.said()


def test_what_agents_have_outlives_the_server_behind_and_a_boost_ends_without_it(
    stack: ExitStack, valkey: RedisServer, server: ApmServer, elastic: BridgeProcess,
    controller: FakeController,
) -> None:  # fmt: skip
    server.settings["transaction_sample_rate"] = "0.1"
    app = python(stack, elastic.listens)
    assert app.stdout is not None
    rates = (float(line) for line in app.stdout)
    controller.boost(STOCK, hz=100, for_s=25)
    assert 1.0 in rates  # until then what it had by itself, or what it was told first
    server.status = 503
    assert next(rates) == 0.1  # the user's own, as the server said last
