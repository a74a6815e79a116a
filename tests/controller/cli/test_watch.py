"""`upshift watch`: live, through a controller's restart, until Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import requests

from controller.command import Run, start
from servers import HttpServer, eventually, free_port, http_server


@pytest.fixture
def own(tmp_path: Path) -> Iterator[HttpServer]:
    """A controller that a test may restart."""
    port = free_port()
    serve = [sys.executable, "-m", "upshift_controller", "serve", "--data", str(tmp_path / "data")]
    with http_server(tmp_path, port, *serve, "--listen", f"127.0.0.1:{port}") as server:
        yield server


def pin(url: str, target: str) -> bool:
    body = {"target": target, "kind": "pin", "hz": 9, "duration": "1m"}
    requests.post(f"{url}/api/v1/leases", json=body, timeout=10).raise_for_status()
    return True


def lines_of(stream: IO[str] | None) -> Callable[[], str]:
    """Read what is there by now, without waiting for more."""
    assert stream is not None
    os.set_blocking(stream.fileno(), False)
    return lambda: stream.readline()


def test_a_pipe_is_told_each_change_through_a_restart_and_ctrl_c_is_quiet(
    own: HttpServer,
) -> None:
    with start(own.url, "watch", "--json") as process:
        said, complaint = lines_of(process.stdout), lines_of(process.stderr)
        try:
            # It tells what happens from its start on, and nothing says when that is.
            line = eventually(lambda: pin(own.url, "service/before") and said(), every_s=0.3)
            assert json.loads(line)["target"] == "service/before"
            own.stop()
            assert "no controller answers" in eventually(complaint)
            own.start()
            pin(own.url, "service/after")

            def entry() -> Any:
                told = json.loads(said() or "{}")
                return told if told.get("target") == "service/after" else None

            assert eventually(entry)["event"] == "granted"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert "Traceback" not in process.stderr.read()  # type: ignore[union-attr]  # a pipe


def test_a_terminal_shows_leases_agents_and_events_and_is_given_back(
    own: HttpServer,
) -> None:
    pin(own.url, "service/on-screen")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "upshift_controller", "watch", "--url", own.url],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
    )
    os.close(theirs)
    screen = b""

    def drawn() -> bool:
        nonlocal screen
        screen += os.read(ours, 1 << 16)
        return b"WHEN" in screen and b"on-screen" in screen

    with process:
        eventually(drawn)
        process.send_signal(signal.SIGINT)
        while b"\x1b[?1049l" not in screen:  # the terminal's own screen is back
            screen += os.read(ours, 1 << 16)
        assert process.wait(10) == 130
        assert process.stderr
        assert process.stderr.read() == b""
    os.close(ours)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.decode())
    assert re.search(r"pin/\w+ +service/on-screen +pin +9 +\d+s +by anonymous", plain)
    assert "live agents" in plain


def test_it_does_not_begin_without_a_controller(offline: Run) -> None:
    assert offline("watch").code == 3
