"""The attach protocol, spoken to processes that only pretend to be JVMs, and do it badly."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.processes import running
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.drivers.jfr import attach
from upshift_host.drivers.jfr.attach import ask
from upshift_host.drivers.jfr.place import Place

pytestmark = pytest.mark.servers()


def pretending(how: str) -> list[str | Path]:
    return [sys.executable, "-I", "-S", Path(__file__).parent / "pretending.py", how]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(attach, "ANSWERS_S", 1.0)
    monkeypatch.setattr(attach, "APPEARS_S", 1.0)
    before = set(os.listdir("/tmp"))
    yield
    mine = {it for it in set(os.listdir("/tmp")) - before if it.startswith(".java_pid")}
    for socket_ in mine:
        os.unlink(f"/tmp/{socket_}")
    assert not [it for it in os.listdir("/tmp") if it.startswith(".attach_pid")]


def test_a_process_that_does_not_listen_yet_is_made_to() -> None:
    with running(pretending("answers"), "java") as workload:
        (process,) = workload.processes
        assert ask(process.pid, "JFR.check") == "1 jcmd JFR.check   "
        assert ask(process.pid, "VM.version") == "1 jcmd VM.version   "


def test_a_socket_that_a_former_process_left_is_not_taken_for_a_new_one() -> None:
    """In a container the JVM is always process 1, and /tmp outlives it."""
    with running(pretending("answers"), "java") as workload:
        (process,) = workload.processes
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(f"/tmp/.java_pid{process.pid}")
        assert "VM.version" in ask(process.pid, "VM.version")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("refuses", "refuses: 1 jcmd JFR.check"),
        ("hangs", "does not answer: timed out"),
        ("closes", "does not answer: it takes us for another user"),
        ("silent", "opened no socket in 1 s"),
    ],
)
def test_one_that_does_not_do_as_a_jvm_does_is_told_of(how: str, said: str) -> None:
    with running(pretending(how), "java") as workload:
        (process,) = workload.processes
        with pytest.raises(ProfilerFailed, match=said):
            ask(process.pid, "JFR.check")


def test_a_process_that_has_ended_is_told_of() -> None:
    with running(pretending("answers"), "java") as workload:
        (process,) = workload.processes
    with pytest.raises(ProfilerFailed, match=f"process {process.pid} has ended"):
        ask(process.pid, "JFR.check")
    assert attach.why_not(workload) == f"process {process.pid} has ended"


@pytest.fixture
def place() -> Iterator[Place]:
    with Place(os.getpid()) as made:
        yield made


def test_a_recording_is_read_and_removed(place: Place) -> None:
    name = place.new_name()
    Path("/tmp", name).write_bytes(b"recorded")
    assert place.take(name) == b"recorded"
    assert not Path("/tmp", name).exists()


def test_a_link_in_place_of_a_recording_is_not_followed(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")
    name = place.new_name()
    Path("/tmp", name).symlink_to(secret)
    with pytest.raises(ProfilerFailed, match="cannot be read"):
        place.take(name)
    assert not Path("/tmp", name).is_symlink()
    assert secret.read_text() == "canary"


def test_a_pipe_in_place_of_a_recording_holds_up_nobody(place: Place) -> None:
    name = place.new_name()
    os.mkfifo(f"/tmp/{name}")
    with pytest.raises(ProfilerFailed, match="no file that is read"):
        place.take(name)
    assert not Path("/tmp", name).exists()


def test_a_recording_that_is_not_there_is_told_of(place: Place) -> None:
    with pytest.raises(ProfilerFailed, match="cannot be read"):
        place.take(place.new_name())
