"""A host agent in this process, with drivers that only remember, over a real Valkey."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from servers import RedisServer, eventually
from upshift_agent import Decision, Profile
from upshift_agent.contract import Keys, Status, decode_status
from upshift_agent.testing import FakeController
from upshift_host.config import load
from upshift_host.discovery import discovery
from upshift_host.running.host import HostAgent
from upshift_host.workload import LANGUAGES, Workload

KEYS = Keys()
#: Of processes of these tests, so that they find no others'.
SLEEP = "import sys, time; print(flush=True); time.sleep(600)"


@dataclass
class Remembered:
    """A driver. running: Hz, None once it is closed."""

    workload: Workload
    running: int | None = None

    def apply(self, decisions: Mapping[Profile, Decision]) -> None:
        self.running = decisions["cpu"].hz

    def close(self) -> None:
        self.running = None


@dataclass
class Remembering:
    """A kind of drivers."""

    name: str = "remembering"
    method: Any = "push"
    profiles: tuple[Any, ...] = ("cpu",)
    languages: frozenset[Any] = frozenset(LANGUAGES)
    made: list[Remembered] = field(default_factory=list)

    def why_not(self, _: Workload) -> str | None:
        return None

    def make(self, workload: Workload, _: object) -> Remembered:
        self.made.append(Remembered(workload))
        return self.made[-1]

    def running(self) -> dict[str, list[int]]:
        """Hz by service, of all that run."""
        found: dict[str, list[int]] = {}
        for it in list(self.made):
            if it.running is not None:
                found.setdefault(it.workload.attributes["service.name"], []).append(it.running)
        return found


@dataclass
class Host:
    kind: Remembering
    agent: HostAgent
    stop: Callable[[], None]
    redis: RedisServer

    def statuses(self, target: str) -> list[Status]:
        with self.redis.client() as client:
            return [decode_status(it) for it in client.hvals(KEYS.agents(target))]

    def until(self, within_s: float = 15.0, **running: list[int]) -> None:
        eventually(lambda: self.kind.running() == running, within_s=within_s)


StartHost = Callable[..., Host]
StartProcess = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def controller(valkey: RedisServer) -> Iterator[FakeController]:
    controller = FakeController(valkey.url)
    yield controller
    controller.close()


@pytest.fixture
def host(
    valkey: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StartHost]:
    """Run one, whose `workloads:` find the processes of `process` and no others."""
    # This process has started them, and is a host agent too: its own would be nobody's workload.
    monkeypatch.setattr(discovery, "_descendants", lambda root, _: {root})
    with ExitStack() as stack:

        def start(*services: str, redis: str | None = None, more: str = "") -> Host:
            entries = "".join(
                f"  - {{service: {it}, command: '{tmp_path}-{it}$'}}\n" for it in services
            )
            path = tmp_path / "agent.yaml"
            path.write_text(
                f"redis: {redis or valkey.url}\nnode: worker-3\n"
                f"pyroscope: {{url: 'http://127.0.0.1:1'}}\nworkloads:\n{entries}{more}"
                "discovery: {environment: false, containers: false}\n"
            )
            kind = Remembering()
            agent = HostAgent(load(path, {}), {kind.name: kind}, None)
            ends = threading.Event()
            thread = threading.Thread(target=agent.run, args=(ends,))

            def stop() -> None:
                ends.set()
                thread.join(20)
                assert not thread.is_alive()

            thread.start()
            stack.callback(stop)
            return Host(kind, agent, stop, valkey)

        yield start


def end(group: int) -> None:
    """A process and what it has forked."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[StartProcess]:
    """Start one that `workloads:` of `host` finds as `service`. It is ended after the test."""
    with ExitStack() as stack:

        def start(service: str, script: str = SLEEP, **environ: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", script, f"{tmp_path}-{service}"]
            started = subprocess.Popen(
                command,
                env={**os.environ, **environ},
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            stack.enter_context(started)
            stack.callback(end, started.pid)
            assert started.stdout is not None
            assert started.stdout.readline() == b"\n"
            return started

        yield start
