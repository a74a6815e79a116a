"""Controllers as processes, and what a test says to them."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
import requests

from servers import HttpServer, eventually, free_port

#: Short, so that many boosts fit into a run; nothing else differs from the user's rules.
RULES = """
sampling:
  default: 19
  on_alert:
    - {trigger: high_cpu, frequency: 100, duration: 2s}
    - {trigger: high_latency, frequency: 49, duration: 4s}
"""
#: Alerts name as many targets, and boost as many agents, as they like, where that is not the fault.
UNLIMITED = "limits: {max_new_targets: 100000000, max_boosted_agents: unlimited}\n"
_numbers = itertools.count(1)


@dataclass
class Controller(HttpServer):
    """`upshift serve`. It can be killed and started again under the same address."""

    environment: dict[str, str] = field(default_factory=dict)
    stderr: int | None = None

    def spawn(self) -> None:
        """Start without waiting until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log if self.stderr is None else self.stderr,
                env=os.environ | self.environment,
            )

    def notify(self, *alerts: dict[str, Any], timeout_s: float = 10) -> requests.Response:
        body = {"version": "4", "receiver": "upshift", "alerts": list(alerts)}
        url = f"{self.url}/api/v1/webhook/alertmanager"
        return requests.post(url, json=body, timeout=timeout_s)

    def lease(self, **body: Any) -> dict[str, Any]:
        answer = requests.post(f"{self.url}/api/v1/leases", json=body, timeout=10)
        answer.raise_for_status()
        return dict(answer.json()["outcome"])

    def release(self, target: str) -> None:
        """End all leases of a target."""
        requests.delete(f"{self.url}/api/v1/targets/{target}/leases", timeout=10).raise_for_status()

    def post(self, path: str) -> None:
        requests.post(f"{self.url}{path}", timeout=10).raise_for_status()

    def is_ready(self) -> bool:
        return requests.get(f"{self.url}/-/ready", timeout=10).status_code == 200

    def metric(self, name: str) -> float:
        """`name` with its labels, as `/metrics` writes them; 0 where there is none yet."""
        lines = (line.rpartition(" ") for line in self.get("/metrics").splitlines())
        return sum(float(value) for it, _, value in lines if it == name)

    def target(self, name: str = "service/checkout") -> dict[str, Any]:
        return dict(self.get(f"/api/v1/targets/{name}"))

    def history(self, name: str = "service/checkout") -> list[dict[str, Any]]:
        """Oldest first."""
        answer = self.get(f"/api/v1/history?target={name}&limit=1000")
        return list(reversed(answer["entries"]))


@contextmanager
def controller(
    folder: Path,
    redis_url: str | None,
    *,
    rules: str = RULES,
    command: tuple[str, ...] = (),
    stderr: int | None = None,
    **environment: str,
) -> Iterator[Controller]:
    """Without a `redis_url` it has a Valkey of its own. `stderr`: else it goes to its log."""
    folder.mkdir(parents=True, exist_ok=True)
    limits = "" if "limits:" in rules else UNLIMITED
    (folder / "upshift.yaml").write_text(rules + limits)
    port = free_port()
    serve = [*command, sys.executable, "-m", "upshift_controller", "serve"]
    serve += ["--listen", f"127.0.0.1:{port}"]
    serve += ["--redis", redis_url] if redis_url else ["--data", str(folder / "data")]
    serve += ["--config", str(folder / "upshift.yaml")]
    log = folder / "controller.log"
    started = Controller(serve, port, log, environment=environment, stderr=stderr)
    started.spawn()
    try:
        eventually(lambda: started.get("/-/ready"), within_s=30)
        yield started
    finally:
        started.stop()


def firing(alertname: str = "HighCPU", *, service: str = "checkout") -> dict[str, Any]:
    """An alert that begins a firing episode of its own."""
    return {
        "status": "firing",
        "labels": {"alertname": alertname, "service_name": service},
        "annotations": {},
        "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": f"{next(_numbers):016x}",
    }


def monotonic_of(redis_url: str, redis_ms: float) -> float:
    """A moment of Redis time as seconds of the monotonic clock."""
    with redis.Redis.from_url(redis_url) as client:
        before = time.monotonic()
        seconds, micros = client.time()
        now = (before + time.monotonic()) / 2
    return now + redis_ms / 1000 - (seconds + micros / 1e6)
