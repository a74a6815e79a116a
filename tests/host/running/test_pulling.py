"""Whom `pprof:` asks: workloads that listen on its ports, and targets that run elsewhere."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from host.processes import identified
from host.running.conftest import KEYS
from servers import RedisServer, eventually
from upshift_agent.contract import decode_status
from upshift_agent.testing import FakeController
from upshift_host.config import load
from upshift_host.profiles.pprof import encode
from upshift_host.profiles.window import Window
from upshift_host.running import pulling
from upshift_host.running.host import HostAgent
from upshift_host.workload import Workload

HOST = Path(__file__).parents[3] / "agents-sdk/host"
BASE = "redis: {redis}\nnode: worker-3\npyroscope: {{url: 'http://127.0.0.1:1'}}\n"


def configured(folder: Path, more: str, redis: str = "redis://127.0.0.1:1") -> Path:
    path = folder / "agent.yaml"
    path.write_text(BASE.format(redis=redis) + more)
    return path


def window(profile: str) -> bytes:
    return encode(
        Window(
            attributes={},
            profile=profile,  # type: ignore[arg-type]  # one of the two
            profiler="go",
            hz=100,
            began_s=1.0,
            ended_s=11.0,
            samples={("main", "spend"): 7},
            weights={("main", "spend"): 4096} if profile == "heap" else None,
        )
    )


@pytest.fixture
def target() -> Iterator[str]:
    """Answers at once, whatever it is asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = window("heap" if self.path.endswith("/heap") else "cpu")
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/debug/pprof"
        server.shutdown()
        thread.join()


def test_what_the_guide_shows_loads(tmp_path: Path) -> None:
    page = (HOST / "guides/pprof.md").read_text()
    (block,) = re.findall(r"```yaml\n(pprof:.*?)```", page, re.DOTALL)
    configuration = load(configured(tmp_path, block), {})
    ((workload, kinds),) = pulling.targets(configuration)
    assert workload.attributes["service.name"] == "checkout"
    assert workload.attributes["deployment.environment.name"] == "production"
    assert list(kinds) == list(pulling.kinds(configuration)) == ["pprof"]
    assert len(page.splitlines()) <= 80


def test_a_workload_is_asked_on_the_first_of_the_ports_that_it_listens_on(tmp_path: Path) -> None:
    workload = Workload(
        attributes={"service.name": "gateway"}, language="go", processes=(identified(os.getpid()),)
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        more = f"pprof: {{ports: [1, {port}]}}"
        kind = pulling.kinds(load(configured(tmp_path, more), {}))["pprof"]
        assert kind.why_not(workload) is None
    assert kind.why_not(workload) == (
        f"it does not listen on a port of pprof: in this network (1, {port})"
    )


def test_workloads_of_other_languages_are_asked_where_that_is_said(tmp_path: Path) -> None:
    for more, languages in (("{}", {"go"}), ("{languages: [go, python]}", {"go", "python"})):
        kind = pulling.kinds(load(configured(tmp_path, f"pprof: {more}"), {}))["pprof"]
        assert kind.languages == languages


def test_nobody_is_asked_where_pprof_is_not_there(tmp_path: Path) -> None:
    configuration = load(configured(tmp_path, ""), {})
    assert pulling.kinds(configuration) == {}
    assert pulling.targets(configuration) == []


def test_a_target_has_an_agent_and_its_boost_is_a_greater_part_of_the_time(
    tmp_path: Path, target: str, valkey: RedisServer
) -> None:
    windows: list[Window] = []

    class Kept:
        def send(self, window: Window) -> None:
            windows.append(window)

    more = (
        f"pprof: {{targets: [{{service: checkout, url: '{target}'}}]}}\n"
        "discovery: {environment: false, containers: false}\n"
    )
    agent = HostAgent(load(configured(tmp_path, more, valkey.url), {}), {}, Kept())
    stop = threading.Event()
    thread = threading.Thread(target=agent.run, args=(stop,))
    thread.start()
    controller = FakeController(valkey.url)

    def driver() -> str:
        with valkey.client() as client:
            found = [decode_status(it) for it in client.hvals(KEYS.agents("service/checkout"))]
        return found[0].driver if found else ""

    try:
        eventually(lambda: driver() == "pprof: 19% of the time at 100 Hz", within_s=30)
        controller.boost("service/checkout", hz=100, for_s=60)
        eventually(lambda: driver() == "pprof: 100% of the time at 100 Hz", within_s=30)
        controller.add("service/checkout", "pin", hz=3600, for_s=60, profile="heap")
        eventually(lambda: {it.profile for it in windows} == {"cpu", "heap"}, within_s=30)
    finally:
        controller.close()
        stop.set()
        thread.join(20)
    assert {it.attributes["service.instance.id"] for it in windows} == {target}
    heap = next(it for it in windows if it.profile == "heap")
    assert heap.weighed() == {("main", "spend"): 4096}
