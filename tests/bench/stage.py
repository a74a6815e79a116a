"""The processes of a benchmark, all real and on loopback: Valkey, controller, floors, crowds."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import HttpServer, RedisServer, free_port, http_server, redis_server

HERE = Path(__file__).parent
FLOORS = HERE / "floors"
PRODUCTS = HERE / "products"

#: The user's block, and a rule that goes up and down again as fast as one can send.
RULES = """
sampling:
  default: 19
  on_alert:
    - trigger: high_cpu
      frequency: 100
      duration: 10m
    - trigger: high_latency
      frequency: 49
      duration: 15m
    - trigger: bench_shift
      frequency: 200
      duration: 1h
      on_resolved: revert
limits: {max_new_targets: 100000000}  # many of the targets are new
"""


@contextmanager
def valkey(folder: Path) -> Iterator[RedisServer]:
    with redis_server(folder, "--maxclients", "8000") as server:
        yield server


@contextmanager
def controller(folder: Path, redis_url: str) -> Iterator[HttpServer]:
    """`upshift serve`, as anybody would start it; its log goes to a file."""
    folder.mkdir(parents=True)
    config = folder / "upshift.yaml"
    config.write_text(RULES)
    port = free_port()
    command = [sys.executable, "-m", "upshift_controller", "serve", f"--config={config}"]
    command += [f"--listen=127.0.0.1:{port}", f"--redis={redis_url}"]
    with http_server(folder, port, *command) as server:
        yield server


@contextmanager
def floor_receiver(folder: Path, redis_url: str) -> Iterator[HttpServer]:
    port = free_port()
    command = [sys.executable, str(FLOORS / "receiver.py"), redis_url, str(port)]
    with http_server(folder, port, *command) as server:
        yield server


class Program:
    """A small program that talks in lines: it says `ready`, then whatever it was made for."""

    def __init__(self, script: Path, *arguments: object) -> None:
        self._name = script.name
        self._process = subprocess.Popen(
            [sys.executable, "-u", str(script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
        )
        self._rest = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    def line(self, within_s: float = 60.0) -> str:
        """The next line that it says. Raise `AssertionError` if there is none in time."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            readable, _, _ = select.select([descriptor], [], [], within_s)
            assert readable, f"{self._name} has said nothing for {within_s} s"
            chunk = os.read(descriptor, 65536)
            assert chunk, f"{self._name} has ended: {self._process.wait()}"
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def program(script: Path, *arguments: object) -> Iterator[Program]:
    running = Program(script, *arguments)
    try:
        assert running.line() == "ready"
        yield running
    finally:
        running.stop()
