"""A log that cannot be written: full disk, dead reader, a reader that does not read, no stderr."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from controller.conftest import WEBHOOK, alert, notification
from servers import RedisServer, eventually, free_port

ROUNDS = 5
CAP = {"target": "fleet", "kind": "cap", "hz": 0, "duration": "10m"}
#: stderr is limited to 4 KiB of a file; a soft limit, so that it can be lifted from outside.
LIMITED = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, -1));"
    "from upshift_controller.cli import main; main()"
)


@contextmanager
def serving(
    valkey: RedisServer, stderr: int | None, *python: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    command = [sys.executable, *(python or ("-m", "upshift_controller"))]
    command += ["serve", "--redis", valkey.url, "--listen", f"127.0.0.1:{port}"]
    if stderr is None:
        command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    process = subprocess.Popen(command, stderr=stderr)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: requests.get(url + "/-/ready", timeout=5).ok, within_s=30)
        yield url, process
    finally:
        process.kill()
        process.wait()


def goes_through(url: str, name: str) -> None:
    """Alerts, each of which logs a line, a cap and its end, all while it is ready."""
    for number in range(ROUNDS):
        labels = {"alertname": "HighCPU", "service_name": f"{name}-{number}"}
        body = notification(alert(labels, fingerprint=f"{name}{number}"))
        answer = requests.post(url + WEBHOOK, json=body, timeout=5)
        assert (answer.status_code, answer.json()["counts"]) == (200, {"granted": 1})
    cap = requests.post(url + "/api/v1/leases", json=CAP, timeout=5)
    assert cap.status_code == 201
    lease = cap.json()["outcome"]["lease"]
    assert requests.delete(f"{url}/api/v1/leases/{lease}", timeout=5).status_code == 200
    assert requests.get(url + "/-/ready", timeout=5).status_code == 200


def lost(url: str) -> float:
    lines = requests.get(url + "/metrics", timeout=5).text.splitlines()
    (line,) = [it for it in lines if it.startswith("upshift_log_lines_lost_total ")]
    return float(line.split()[1])


def test_with_a_full_disk_all_goes_through_and_lost_lines_are_counted(valkey: RedisServer) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with serving(valkey, full) as (url, _):
        goes_through(url, "full")
        eventually(lambda: lost(url) >= ROUNDS + 2)
    os.close(full)


def test_with_a_dead_reader_all_goes_through(valkey: RedisServer) -> None:
    reader, writer = os.pipe()
    with serving(valkey, writer) as (url, _):
        os.close(reader)
        os.close(writer)
        goes_through(url, "dead")
        eventually(lambda: lost(url) >= ROUNDS)


def test_with_a_reader_that_does_not_read_nothing_waits_and_it_ends_when_told(
    valkey: RedisServer,
) -> None:
    reader, writer = os.pipe()
    with serving(valkey, writer) as (url, process):
        os.set_blocking(writer, False)
        with pytest.raises(BlockingIOError):  # noqa: PT012  # until it is full
            while True:
                os.write(writer, b"x" * 4096)
        with pytest.raises(BlockingIOError):  # noqa: PT012  # and the rest of it
            while True:
                os.write(writer, b"x")
        os.set_blocking(writer, True)
        goes_through(url, "stalled")
        process.terminate()
        assert process.wait(10) == 0
    os.close(reader)
    os.close(writer)


def test_without_a_stderr_no_connection_takes_its_number(valkey: RedisServer) -> None:
    with serving(valkey, None) as (url, process):
        assert os.readlink(f"/proc/{process.pid}/fd/2") == "/dev/null"
        goes_through(url, "closed")


def test_what_was_lost_is_told_once_there_is_room_again(
    valkey: RedisServer, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    with path.open("ab") as file, serving(valkey, file.fileno(), "-c", LIMITED) as (url, process):
        for number in range(10):
            goes_through(url, f"limited{number}")
            if lost(url):
                break
        assert lost(url)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (-1, -1))
        goes_through(url, "room")
        eventually(lambda: b'"log lines lost"' in path.read_bytes())
        before = lost(url)
        goes_through(url, "after")
        assert lost(url) == before
