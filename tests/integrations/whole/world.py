"""A host agent, a controller, a backend and busy processes that know nothing of Upshift."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from controller.conftest import WEBHOOK, alert, notification
from host.processes import exists
from host.receiver import Ingested, Receiver, receiving
from servers import HttpServer, RedisServer, eventually, free_port, http_server
from upshift_agent.contract import Keys, Status, decode_status, is_live

Command = Sequence[str | Path]

RULES = """
limits: {{max_boosted_agents: unlimited}}
sampling:
  on_alert:
    - trigger: high_cpu
      frequency: 100
      duration: {boost_s}s
"""


@dataclass
class World:
    folder: Path
    valkey: RedisServer
    controller: HttpServer
    receiver: Receiver
    config: Path
    commands: Mapping[str, Command]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    agent: subprocess.Popen[bytes] | None = None

    def start(self, service: str) -> None:
        """Its process, which is ended with this world. By the last argument it is found."""
        command = [*self.commands[service], marked(self.folder, service)]
        self.processes[service] = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def end(self, service: str) -> None:
        self.processes[service].kill()
        self.processes[service].wait()

    def start_agent(self, *before: str) -> None:
        """before: what the command begins with, such as `setpriv` and its options."""
        command = [
            *before,
            sys.executable,
            "-m",
            "upshift_host",
            "run",
            "--config",
            str(self.config),
        ]
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)

    def end_agent(self, number: signal.Signals) -> int:
        """Its exit code."""
        assert self.agent is not None
        self.agent.send_signal(number)
        return self.agent.wait(20)

    def profilers(self) -> set[int]:
        """Processes below the agent, by their parents."""
        assert self.agent is not None
        return descendants(self.agent.pid)

    def fire(self, service: str, episode: str = "") -> None:
        """HighCPU of one service, as Alertmanager sends it."""
        labels = {"alertname": "HighCPU", "service_name": service}
        body = json.dumps(notification(alert(labels, fingerprint=service + episode))).encode()
        request = urllib.request.Request(
            self.controller.url + WEBHOOK, body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            counts = json.load(answer)["counts"]
        (outcome,) = counts
        assert outcome in ("granted", "renewed", "joined", "at_max_duration")

    def statuses(self, service: str) -> list[Status]:
        """Of the agents that live, as far as anybody knows."""
        with self.valkey.client() as client:
            seconds, _ = client.time()
            raw = client.hvals(Keys().agents(f"service/{service}"))
        return [it for it in map(decode_status, raw) if is_live(it, 1000 * seconds)]

    def applied(self, service: str) -> list[int]:
        done = [it.applied for it in self.statuses(service) if it.applied is not None]
        return [it.profiles["cpu"].hz for it in done]

    def achieved(self, service: str) -> float | None:
        """What `upshift agents` shows of it, in Hz."""
        command = [sys.executable, "-m", "upshift_controller", "agents", "--json"]
        said = subprocess.check_output([*command, "--url", self.controller.url])
        agents = [it for it in json.loads(said)["agents"] if it["target"] == f"service/{service}"]
        (found,) = [it["applied"]["profiles"]["cpu"]["achieved_hz"] for it in agents]
        return None if found is None else float(found)

    def windows(self, service: str) -> list[Ingested]:
        """In the order of their beginning."""
        found = [it for it in self.receiver.ingested() if it.labels["service_name"] == service]
        return sorted(found, key=lambda it: it.from_s)

    def log(self) -> str:
        return (self.folder / "agent.log").read_text()


def marked(folder: Path, service: str) -> str:
    return f"{folder.name}-{service}"


def environment() -> dict[str, str]:
    """With the programs that came with these tests' packages on the PATH."""
    ours = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join((os.environ.get("PATH", ""), ours))}


def descendants(pid: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if exists(child):
                found.add(child)
                waiting.append(child)
    return found


@contextmanager
def world(
    folder: Path,
    valkey: RedisServer,
    services: Mapping[str, Command],
    boost_s: int,
    strategy: str = "[{method: push, priority: 1}]",
) -> Iterator[World]:
    """services: the command of each, which ignores an argument more. strategy: YAML."""
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        port = free_port()
        rules = folder / "upshift.yaml"
        rules.write_text(RULES.format(boost_s=boost_s))
        controller = stack.enter_context(
            http_server(
                folder / "controller",
                port,
                *(sys.executable, "-m", "upshift_controller", "serve"),
                *("--redis", valkey.url, "--listen", f"127.0.0.1:{port}", "--config", str(rules)),
            )
        )
        entries = "".join(
            f"  - {{service: {it}, command: '{marked(folder, it)}$'}}\n" for it in services
        )
        config = folder / "agent.yaml"
        config.write_text(
            f"redis: {valkey.url}\nnode: worker-3\npyroscope: {{url: '{receiver.url}'}}\n"
            f"fallback_strategy: {strategy}\n"
            "discovery: {environment: false, containers: false}\n"
            f"workloads:\n{entries}"
        )
        running = World(folder, valkey, controller, receiver, config, services)
        for service in services:
            running.start(service)
            stack.callback(running.end, service)
        try:
            running.start_agent()
            yield running
        finally:
            if running.agent is not None:
                below = running.profilers()
                running.agent.terminate()
                try:
                    running.agent.wait(15)
                except subprocess.TimeoutExpired:
                    running.agent.kill()
                    running.agent.wait()
                for pid in below:
                    if exists(pid):
                        os.kill(pid, signal.SIGKILL)


def until_none_exists(pids: set[int], within_s: float) -> None:
    eventually(lambda: not any(exists(pid) for pid in pids), within_s=within_s)
