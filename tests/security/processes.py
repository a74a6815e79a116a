"""Controllers and agents as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from servers import HttpServer, eventually, free_port, running

_AGENT = """
import sys, threading, signal, upshift_agent
done = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: done.set())
driver = lambda decision: print(decision.hz, flush=True)
with upshift_agent.Agent.from_env(driver=driver) as agent:
    done.wait()
    print("skipped", *agent.status.skipped, flush=True)
"""


@dataclass
class Controller(HttpServer):
    """`upshift serve` with the configuration in `folder`."""

    def lease(self, **body: Any) -> str:
        answer = requests.post(f"{self.url}/api/v1/leases", json=body, timeout=10)
        answer.raise_for_status()
        return str(answer.json()["outcome"]["lease"])

    def release(self, lease: str) -> None:
        requests.delete(f"{self.url}/api/v1/leases/{lease}", timeout=10).raise_for_status()

    def reload(self) -> None:
        assert self.process is not None
        before = self.said("reloaded")
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: self.said("reloaded") > before)

    def said(self, event: str) -> int:
        """How often the log says `event`."""
        lines = self.log.read_text().splitlines()
        return sum(json.loads(line)["event"] == event for line in lines if line.startswith("{"))


@contextmanager
def controller(folder: Path, redis_url: str, settings: str = "") -> Iterator[Controller]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "upshift.yaml").write_text(settings)
    port = free_port()
    command = [sys.executable, "-m", "upshift_controller", "serve", "--redis", redis_url]
    command += ["--listen", f"127.0.0.1:{port}", "--config", str(folder / "upshift.yaml")]
    with running(Controller(command, port, folder / "controller.log")) as server:
        yield server


@dataclass
class AgentProcess:
    output: Path
    process: subprocess.Popen[bytes]

    @property
    def frequencies(self) -> list[int]:
        return [int(line) for line in self.output.read_text().split("\n") if line.isdigit()]

    def is_at(self, hz: int) -> None:
        eventually(lambda: self.frequencies[-1] == hz, within_s=20)

    def stop(self) -> str:
        """What it could not follow at the end."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        return self.output.read_text().split("skipped", 1)[1].splitlines()[0].strip()


@contextmanager
def agent(output: Path, redis_url: str, **environment: str) -> Iterator[AgentProcess]:
    """Its settings are of the environment; its driver's frequencies go to `output`."""
    settings = {"UPSHIFT_REDIS_URL": redis_url, "OTEL_SERVICE_NAME": "checkout", **environment}
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", _AGENT], stdout=stream, stderr=stream, env=os.environ | settings
        )
    try:
        yield AgentProcess(output, process)
    finally:
        process.kill()
        process.wait()
