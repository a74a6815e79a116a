"""Attacks on the folder and the process of the controller's own Valkey."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from controller.test_serve import agents_redis, log, notify, serve
from own_valkey import valkeys
from servers import eventually, free_port
from upshift_controller.storage.own_valkey import embedded


def refused(folder: Path) -> str:
    """What `upshift serve` says that will not start over `folder`, and its code is 1."""
    command = [sys.executable, "-m", "upshift_controller", "serve", "--data", str(folder)]
    command += ["--listen", f"127.0.0.1:{free_port()}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


@contextmanager
def nothing_left(folder: Path) -> Iterator[None]:
    try:
        yield
        assert valkeys(folder) == []
    finally:
        for it in valkeys(folder):
            os.kill(it, signal.SIGKILL)


def test_a_second_controller_on_the_same_folder_refuses_and_ends_nothing_of_the_first(
    tmp_path: Path,
) -> None:
    with serve(tmp_path) as server, agents_redis(server) as client:
        said = refused(tmp_path / "data")
        assert server.process is not None
        assert f"belongs to a controller that runs (process {server.process.pid})" in said
        assert client.ping()
        assert notify(server) == ["granted"]
    assert valkeys(tmp_path / "data") == []


def test_of_two_starts_in_the_same_instant_one_serves(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "upshift_controller", "serve", "--data", str(tmp_path)]
    with nothing_left(tmp_path), ExitStack() as stack:
        both = []
        for _ in range(2):
            started = [*command, "--listen", f"127.0.0.1:{free_port()}"]
            process = subprocess.Popen(started, stderr=subprocess.PIPE, text=True)
            both.append(stack.enter_context(process))
            stack.callback(process.kill)  # before it is waited for
        eventually(lambda: any(it.poll() is not None for it in both), within_s=30)
        first, second = sorted(both, key=lambda it: it.poll() is None)
        _, said = first.communicate()
        assert first.returncode == 1
        assert "belongs to a controller" in said
        assert second.poll() is None
        eventually(lambda: len(valkeys(tmp_path)) == 1)
        second.terminate()
        second.communicate(timeout=10)
        assert second.returncode == 0


def test_the_own_valkey_is_started_again_however_it_ends_and_the_log_says_so(
    tmp_path: Path,
) -> None:
    with serve(tmp_path) as server:
        assert notify(server) == ["granted"]
        for number in (signal.SIGKILL, signal.SIGTERM):
            (process,) = valkeys(tmp_path / "data")
            os.kill(process, number)
            eventually(lambda p=process: p not in valkeys(tmp_path / "data"))
            assert eventually(lambda: notify(server), within_s=15) == ["repeat"]
        told = ["own Valkey ended; starting it again", "own Valkey is up again"] * 2
        eventually(lambda: told == [it for line in log(server) if "own" in (it := line["event"])])
    assert valkeys(tmp_path / "data") == []


def test_one_that_was_taken_over_is_started_again_as_well(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        assert notify(server) == ["granted"]
        server.kill()
    with serve(tmp_path) as server:
        (process,) = valkeys(tmp_path / "data")
        os.kill(process, signal.SIGKILL)
        eventually(lambda: process not in valkeys(tmp_path / "data"))
        assert eventually(lambda: notify(server), within_s=15) == ["repeat"]
    assert valkeys(tmp_path / "data") == []


async def test_it_is_ended_also_when_a_library_has_lost_that_its_keeper_was_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def keep(self: object) -> None:
        with suppress(asyncio.CancelledError):  # as redis-py on Python 3.11, at times
            await asyncio.sleep(600)
        await asyncio.sleep(600)

    monkeypatch.setattr(embedded._Valkey, "keep", keep)
    async with asyncio.timeout(30), embedded.embedded_valkey(tmp_path):
        await asyncio.sleep(0)
        assert len(valkeys(tmp_path)) == 1
    assert valkeys(tmp_path) == []


def test_a_frozen_valkey_does_not_keep_the_controller_from_ending(tmp_path: Path) -> None:
    with serve(tmp_path) as server, nothing_left(tmp_path / "data"):
        (process,) = valkeys(tmp_path / "data")
        os.kill(process, signal.SIGSTOP)
        assert server.process is not None
        began = time.monotonic()
        server.process.terminate()
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < 10
        server.process = None


def garbled_port(folder: Path) -> str:
    (folder / "port").write_bytes(b"\xff\x00 no port")
    return ""


def lying_port(folder: Path) -> str:
    (folder / "port").write_text("99999999\n")
    return ""


def port_is_a_folder(folder: Path) -> str:
    (folder / "port").mkdir()
    return "cannot keep data under"


def broken_file(folder: Path) -> str:
    (folder / "appendonlydir").mkdir()
    name = "appendonly.aof.1.incr.aof"
    (folder / "appendonlydir" / name).write_bytes(b"*3\r\n$3\r\nSET\r\ngarbage" * 100)
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text(f"file {name} seq 1 type i\n")
    return "Bad file format reading the append only file"


def newer_version(folder: Path) -> str:
    (folder / "appendonlydir").mkdir()
    name = "appendonly.aof.1.base.rdb"
    (folder / "appendonlydir" / name).write_bytes(b"VALKEY999\xff" + bytes(8))
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text(f"file {name} seq 1 type b\n")
    return "Error reading the RDB base file"


@pytest.mark.parametrize(
    "spoil", [garbled_port, lying_port, port_is_a_folder, broken_file, newer_version]
)
def test_a_spoilt_folder_is_used_or_refused_in_a_sentence(
    tmp_path: Path, spoil: Callable[[Path], str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    says = spoil(folder)
    with nothing_left(folder):
        if says:
            assert says in refused(folder)
        else:
            with serve(tmp_path) as server:
                assert notify(server) == ["granted"]


def test_a_folder_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot keep data under" in refused(tmp_path / "file" / "data")
    assert "cannot keep data under /proc" in refused(Path("/proc/upshift"))


def test_an_orphan_that_cannot_be_asked_is_not_joined_by_a_second_valkey(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        server.kill()
    with nothing_left(tmp_path / "data"):
        (orphan,) = valkeys(tmp_path / "data")
        garbled_port(tmp_path / "data")
        said = refused(tmp_path / "data")
        assert f"a Valkey of an earlier start (process {orphan}) still uses" in said
        assert valkeys(tmp_path / "data") == [orphan]
        os.kill(orphan, signal.SIGKILL)
        eventually(lambda: valkeys(tmp_path / "data") == [])


def test_an_end_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        assert notify(server) == ["granted"]
    (written,) = (tmp_path / "data" / "appendonlydir").glob("*.incr.aof")
    os.truncate(written, written.stat().st_size - 3)
    with serve(tmp_path) as server:
        assert notify(server)[0] in ("granted", "repeat")
