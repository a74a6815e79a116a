"""A session is ours, or it is left alone; and whatever goes wrong, nothing of it stays behind."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host.drivers.async_profiler.test_samples import EVERYTHING
from host.processes import identified
from upshift_host.drivers.async_profiler import placing
from upshift_host.drivers.async_profiler import session as module
from upshift_host.drivers.async_profiler.library import Library
from upshift_host.drivers.async_profiler.session import Session
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.drivers.jfr.place import Place

PID = os.getpid()
ALREADY = "[ERROR] Profiler already started\n"
#: Files in /tmp that are ours.
OURS = re.compile(r"(upshift-|asprof-log\.)[0-9a-f]{32}.*")


class Jvm:
    """This process as a JVM: does what it is told to with a session."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.says: dict[str, tuple[int, str]] = {}
        self.recording = EVERYTHING
        self.on_start: Callable[[Path], None] = lambda path: None

    def load(self, pid: int, library: str, options: str) -> int:
        assert pid == PID
        action, *rest = options.split(",")
        given = dict(option.split("=", 1) for option in rest if "=" in option)
        self.asked.append((action, library))
        code, said = self.says.get(action, (0, ""))
        Path(given["log"]).write_text(said)
        if action == "start" and code == 0:
            Path(given["file"]).write_bytes(self.recording)
            self.on_start(Path(given["file"]))
        return code

    def session(self, library: Library) -> Session:
        return Session(identified(PID), library, {"cpu": 100}, 4096, load=self.load)

    @property
    def actions(self) -> list[str]:
        return [action for action, _ in self.asked]


@pytest.fixture
def jvm() -> Iterator[Jvm]:
    before = left()
    yield Jvm()
    assert left() <= before


@pytest.fixture
def library() -> Iterator[Library]:
    made = Library(b"\x7fELF" + secrets.token_bytes(16))
    yield made
    copy(made).unlink(missing_ok=True)


def copy(library: Library) -> Path:
    return Path(f"/tmp/upshift-async-profiler-{library.digest}.so")


def left() -> set[str]:
    """Of ours, in the /tmp that is this JVM's."""
    return {name for name in os.listdir("/tmp") if OURS.fullmatch(name)}


def test_it_is_begun_ended_and_read(jvm: Jvm, library: Library) -> None:
    taken = jvm.session(library).take()
    assert taken.recorded.seen["cpu"].samples.total() == 2
    assert taken.cpu_s is not None
    assert jvm.asked == [("start", str(copy(library))), ("stop", str(copy(library)))]
    assert copy(library).stat().st_mode & 0o777 == 0o444


def test_one_of_somebody_elses_is_left_alone_and_told_of(jvm: Jvm, library: Library) -> None:
    jvm.says["start"] = (200, ALREADY)
    with pytest.raises(ProfilerFailed, match="somebody else began; it is left alone"):
        jvm.session(library)
    assert jvm.actions == ["start"]


def test_one_that_the_system_shows_is_not_even_asked(
    jvm: Jvm, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "timed", lambda _: True)
    monkeypatch.setattr(placing, "others", lambda *_: ["/opt/libasyncProfiler.so"])
    monkeypatch.setattr(module, "LINGERS_S", 0.0)
    with pytest.raises(ProfilerFailed, match="left alone"):
        jvm.session(library)
    assert jvm.asked == []


def test_one_of_another_library_is_left_alone_too(
    jvm: Jvm, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "others", lambda *_: ["/opt/libasyncProfiler.so"])
    jvm.says["status"] = (0, "Profiling is running for 3 seconds\n")
    with pytest.raises(ProfilerFailed, match="left alone"):
        jvm.session(library)
    assert jvm.asked == [("status", "/opt/libasyncProfiler.so")]
    jvm.says["status"] = (0, "Profiler is not active\n")
    jvm.session(library).take()


def test_one_that_a_killed_agent_of_ours_left_is_ended(jvm: Jvm, library: Library) -> None:
    held = Path(f"/tmp/upshift-{secrets.token_hex(16)}.jfr")
    jvm.says["start"] = (200, ALREADY)
    with held.open("wb"):  # as the JVM has it open while it is written
        held.unlink()
        asked = iter([(200, ALREADY), (0, "")])
        real = jvm.load

        def load(pid: int, library: str, options: str) -> int:
            if options.startswith("start"):
                jvm.says["start"] = next(asked)
            return real(pid, library, options)

        Session(identified(PID), library, {"cpu": 100}, 4096, load=load).take()
    assert jvm.actions == ["start", "stop", "start", "stop"]


def test_a_session_that_has_ended_by_itself_is_read_and_whoever_runs_now_is_left_alone(
    jvm: Jvm, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = jvm.session(library)
    monkeypatch.setattr(placing, "ours", lambda _: False)
    assert session.take().recorded.lasted_s == 2.5
    assert jvm.actions == ["start"]


def test_what_it_says_is_the_reason(jvm: Jvm, library: Library) -> None:
    jvm.says["start"] = (200, "[ERROR] VMStructs is\nnot for this JVM\n")
    with pytest.raises(ProfilerFailed, match=r"did not start: \[ERROR\] VMStructs is not for this"):
        jvm.session(library)


def test_a_recording_that_cannot_be_opened_ends_the_session(jvm: Jvm, library: Library) -> None:
    def replaced(path: Path) -> None:
        path.unlink()
        path.symlink_to("/etc/passwd")

    jvm.on_start = replaced
    with pytest.raises(ProfilerFailed, match="cannot be read"):
        jvm.session(library)
    assert jvm.actions == ["start", "stop"]


@pytest.mark.parametrize("recording", [b"", b"no recording at all", EVERYTHING[:-9]])
def test_what_is_no_recording_costs_the_window_and_no_more(
    recording: bytes, jvm: Jvm, library: Library
) -> None:
    jvm.recording = recording
    open_before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(ProfilerFailed, match="wrote no recording"):
            jvm.session(library).take()
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_whatever_lies_where_the_library_belongs_is_replaced(jvm: Jvm, library: Library) -> None:
    """Somebody else may write into that folder, and would have the JVM run what is theirs."""
    place, elsewhere = copy(library), Path(f"/tmp/{secrets.token_hex(8)}")
    attacks: list[Callable[[], object]] = [
        lambda: place.symlink_to(elsewhere),
        lambda: os.mkfifo(place),
        lambda: place.write_bytes(b"\x7fELF" + bytes(16)),
        lambda: (place.write_bytes(library.content), place.chmod(0o666)),
    ]
    if os.geteuid() == 0:
        attacks.append(lambda: (place.write_bytes(library.content), os.chown(place, 4242, 4242)))
    for attack in attacks:
        place.unlink(missing_ok=True)
        attack()
        jvm.session(library).take()
        found = place.lstat()
        assert (found.st_uid, found.st_mode & 0o777) == (os.geteuid(), 0o444)
        assert place.read_bytes() == library.content
    assert not elsewhere.exists()


def test_a_copy_that_is_there_and_whole_is_used(jvm: Jvm, library: Library) -> None:
    jvm.session(library).take()
    before = copy(library).stat().st_ino
    jvm.session(library).take()
    assert copy(library).stat().st_ino == before


def test_what_killed_agents_left_is_removed_later(jvm: Jvm) -> None:
    names = [f"upshift-{'0' * 32}.jfr", f"upshift-{'0' * 32}.new", f"asprof-log.{'0' * 32}"]
    for name in names:
        Path("/tmp", name).touch()
        os.utime(Path("/tmp", name), (0, 0))
    with Place(PID) as place:
        place.tidy()
    assert not any(Path("/tmp", name).exists() for name in names)
