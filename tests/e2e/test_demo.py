"""`upshift demo` shows what it says it shows, and leaves nothing behind, however it ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from servers import eventually

DEMO = [sys.executable, "-m", "upshift_controller", "demo"]


class Trace:
    """What a demo leaves, if it does: its folder in `tmp`, and processes that name it."""

    def __init__(self, tmp: Path) -> None:
        self._tmp = tmp

    def folders(self) -> list[Path]:
        return list(self._tmp.iterdir())

    def processes(self) -> list[str]:
        """Those that have `tmp` for their TMPDIR: everything that descends from the demo."""
        mark = f"TMPDIR={self._tmp}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:  # it has ended meanwhile
                continue
        return found

    def logged(self, name: str) -> str:
        (folder,) = self.folders()
        return (folder / f"{name}.log").read_text()

    def ports(self) -> list[int]:
        """Where the demo's controller and its Valkey listen."""
        (up,) = [json.loads(it) for it in self.logged("serve").splitlines() if "is up" in it]
        return [int(up[key].rpartition(":")[2]) for key in ("url", "redis_for_agents")]


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return Trace(tmp_path)


@contextmanager
def demo(tmp: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*DEMO, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp)} | environment,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What it prints, up to the line with these words."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"it never said {words!r}, but: {said}")


def is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_profiler_is_measured_at_19_then_100_then_19_hz(tmp_path: Path, trace: Trace) -> None:
    with demo(tmp_path, "--json") as process:
        output, story = process.communicate(timeout=110)
    print(story, output)  # noqa: T201  # the figures belong in the log of a run
    assert process.returncode == 0
    assert (trace.folders(), trace.processes()) == ([], [])

    result: dict[str, Any] = json.loads(output)
    assert [it["requested_hz"] for it in result["phases"]] == [19, 100, 19]
    assert all(it["one_period"] for it in result["phases"])
    for phase in result["phases"]:
        # At 19 Hz there are 600 samples, each at random: 16 % is four deviations.
        assert phase["measured_hz"] == pytest.approx(phase["requested_hz"], rel=0.16)
    latency = result["posted_to_driver_called_ms"]
    assert 0 < latency["p5"] <= latency["median"] <= latency["p95"]

    told = [line[6:15].strip() for line in story.splitlines() if line[1:2] == ":"]
    titles = [title for title in told if title]
    assert titles == ["start", "baseline", "alert", "granted", "boosted", "back", "latency"]
    assert "It works: 19 → 100 → 19 Hz" in story
    assert "driver called: median" in story
    assert "\x1b" not in story  # no terminal, no colours
    assert max(map(len, story.splitlines())) <= 80


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_interrupted_midway_it_leaves_nothing(
    tmp_path: Path, trace: Trace, number: signal.Signals, code: int
) -> None:
    with demo(tmp_path) as process:
        read_until(process, "baseline")
        listening = trace.ports()
        assert not any(map(is_closed, listening))
        process.send_signal(number)
        rest, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert "nothing is left behind" in rest
    assert errors == ""
    assert (trace.folders(), trace.processes()) == ([], [])
    assert all(map(is_closed, listening))


def test_interrupted_while_it_starts_it_leaves_nothing(tmp_path: Path, trace: Trace) -> None:
    with demo(tmp_path) as process:
        eventually(lambda: any(folder.joinpath("serve.log").exists() for folder in trace.folders()))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert (trace.folders(), trace.processes()) == ([], [])


def test_killed_outright_it_leaves_nothing_either(tmp_path: Path, trace: Trace) -> None:
    with demo(tmp_path) as process:
        read_until(process, "baseline")
        listening = trace.ports()
        process.kill()
    eventually(lambda: not trace.folders(), within_s=20)
    eventually(lambda: not trace.processes(), within_s=20)
    assert all(map(is_closed, listening))


def test_a_controller_that_dies_ends_it_with_its_last_words(tmp_path: Path, trace: Trace) -> None:
    with demo(tmp_path) as process:
        read_until(process, "baseline")
        (serve,) = [
            int(each.name)
            for each in Path("/proc").glob("[0-9]*")
            if str(tmp_path) in read(each / "cmdline") and "\0serve\0" in read(each / "cmdline")
        ]
        os.kill(serve, signal.SIGKILL)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "upshift: serve ended with -9; its last words:" in errors
    assert (trace.folders(), trace.processes()) == ([], [])


def read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_kept_it_goes_on_until_it_is_told_and_says_where_to_look(
    tmp_path: Path, trace: Trace
) -> None:
    with demo(tmp_path, "--keep") as process:
        said = read_until(process, "Rules")
        http, redis = trace.ports()
        assert f"export UPSHIFT_URL=http://127.0.0.1:{http}\n" in said
        assert f"UPSHIFT_REDIS_URL=redis://127.0.0.1:{redis}\n" in said
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert (trace.folders(), trace.processes()) == ([], [])


def test_on_a_terminal_it_draws_and_gives_the_cursor_back(tmp_path: Path, trace: Trace) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"TMPDIR": str(tmp_path), "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(DEMO, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    with process:
        seen = b""
        while b"of counting samples" not in seen:
            seen += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        while not seen.endswith(b"nothing is left behind.\r\n"):
            seen += os.read(ours, 65536)
    os.close(ours)
    assert seen.rindex(b"\x1b[?25l") < seen.rindex(b"\x1b[?25h")  # hidden, shown again
    assert (trace.folders(), trace.processes()) == ([], [])


def test_without_the_profiler_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pyroscope'] = None; "
        "import importlib.util as util; find = util.find_spec; "
        "util.find_spec = lambda name: None if name == 'pyroscope' else find(name); "
        "sys.argv = ['upshift', 'demo']; from upshift_controller.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "pip install 'upshift[demo]'" in done.stderr
