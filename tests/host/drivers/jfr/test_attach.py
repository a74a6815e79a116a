"""The attach protocol, spoken to processes that only pretend to be JVMs, and do it badly."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host.processes import running
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.drivers.jfr import attach
from upshift_host.drivers.jfr.attach import ask
from upshift_host.drivers.jfr.place import Place
from upshift_host.workload import Workload

pytestmark = pytest.mark.servers()


@contextmanager
def pretending(how: str) -> Iterator[Workload]:
    """Afterwards its socket is removed, and nothing else is left."""
    command = [sys.executable, "-I", "-S", Path(__file__).parent / "pretending.py", how]
    with running(command, "java") as workload:
        yield workload
    (process,) = workload.processes
    Path(f"/tmp/.java_pid{process.pid}").unlink(missing_ok=True)
    assert not Path(f"/tmp/.attach_pid{process.pid}").exists()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach, "ANSWERS_S", 1.0)
    monkeypatch.setattr(attach, "APPEARS_S", 1.0)


def test_a_process_that_does_not_listen_yet_is_made_to() -> None:
    with pretending("answers") as workload:
        (process,) = workload.processes
        assert ask(process.pid, "JFR.check") == "1 jcmd JFR.check   "
        assert ask(process.pid, "VM.version") == "1 jcmd VM.version   "


def test_a_socket_that_a_former_process_left_is_not_taken_for_a_new_one() -> None:
    """In a container the JVM is always process 1, and /tmp outlives it."""
    with pretending("answers") as workload:
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
    with pretending(how) as workload:
        (process,) = workload.processes
        with pytest.raises(ProfilerFailed, match=said):
            ask(process.pid, "JFR.check")


def test_a_process_that_has_ended_is_told_of() -> None:
    with pretending("answers") as workload:
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
