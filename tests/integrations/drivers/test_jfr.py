"""Flight Recorder in real JVMs, of JDK 17 and 25, that are busy and know nothing of Upshift.

Long, because a JVM takes as long to be had as a test to be written.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pytest

from host.drivers.attached import Both, Kept, agent, apply, assert_rate, pause
from host.drivers.jfr.jdks import JAVAS, LOSES, WALKS
from host.processes import below, compiled_java, running, state
from host.receiver import receiving
from host.spent import Spent, noting
from servers import eventually
from upshift_host.drivers.attach import AttachDriver
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.drivers.jfr import attach
from upshift_host.drivers.jfr.attach import ask
from upshift_host.drivers.jfr.place import Place
from upshift_host.drivers.jfr.recording import JVM_THREADS, Jfr
from upshift_host.drivers.jfr.samples import read
from upshift_host.drivers.watching import Watch
from upshift_host.profiles.pyroscope import Pyroscope
from upshift_host.profiles.window import Window
from upshift_host.workload import Workload

pytestmark = pytest.mark.servers("javac")

versions = pytest.mark.parametrize(
    "version",
    [
        pytest.param(it, marks=[] if it in JAVAS else pytest.mark.skip(f"there is no JDK {it}"))
        for it in (17, 25)
    ],
)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled_java(tmp_path_factory.mktemp("classes"))


#: Where a process is can be reached by whoever may enter that folder, whatever is above it.
HERE = Path("/proc/self/cwd")


def java(version: int, classes: Path, *arguments: str, walks: bool = True) -> list[str | Path]:
    """walks: whether it runs with what lets JDK 17 walk what it has compiled."""
    # No more threads of its own than it needs, nor memory.
    lean = ["-XX:+UseSerialGC", "-Xmx64m", *(WALKS[version] if walks else ())]
    return [JAVAS[version], *lean, "-cp", classes, "Busy", *arguments]


@contextmanager
def attached(workload: Workload, kept: Kept) -> Iterator[AttachDriver]:
    driver = AttachDriver(Jfr(), workload, kept)
    try:
        yield driver
    finally:
        driver.close()


def recordings(pid: int) -> list[str]:
    return [line for line in ask(pid, "JFR.check").splitlines() if line.startswith("Recording")]


def assert_taken(window: Window, ready: Spent, version: int) -> None:
    """As many samples as were to be expected, within 10 %, and what this JDK loses. Before 25 a
    thread that gets a CPU within 2 ms of being asked counts as one that had it."""
    assert window.threads_s is not None
    least = most = window.hz * window.threads_s
    if version < 25:
        most = max(most, window.hz * ready.between(window.began_s, window.ended_s))
    lowest, highest = least * (0.9 - LOSES[version]) - 2, 1.1 * most + 2
    assert lowest <= window.count <= highest, (window.count, least, most)


def taken(window: Window) -> float:
    """Of the samples that were to be expected."""
    assert window.threads_s is not None
    return window.count / (window.hz * window.threads_s)


def assert_theirs(pid: int, folder: Path, watch: Watch) -> None:
    """Their recording, which ends, has most of its samples, of one each 10 ms."""
    seconds = watch.seconds()
    assert seconds is not None
    ask(pid, f"JFR.stop name=theirs filename={folder}/theirs.jfr")
    events = frozenset({"jdk.ExecutionSample"})
    seen = read((folder / "theirs.jfr").read_bytes(), events, 0, time.time())
    assert seen["cpu"].samples.total() > 70 * seconds.cpu


def left_behind(pid: int) -> list[str]:
    """What of this driver's lies in its /tmp."""
    ours = re.compile(r"upshift-.*\.jfr|\.attach_pid.*")
    with Place(pid) as place:
        return [it for it in os.listdir(place.descriptor) if ours.fullmatch(it)]


@versions
def test_19_100_19_is_what_the_receiver_counts(version: int, classes: Path) -> None:
    kept = Kept()
    with receiving() as receiver, running(java(version, classes, "1"), "java") as workload:
        pid = workload.processes[0].pid
        exporter = Pyroscope(receiver.url)
        driver = AttachDriver(Jfr(), workload, Both(kept, exporter))
        ready = Spent(pid, ready=True)
        with noting(ready):
            for hz in (19, 100, 19):
                apply(driver, cpu=hz)
                assert len(recordings(pid)) == 1
                pause(8)
            driver.close()
        exporter.close(10)
        got = receiver.ingested()
        assert recordings(pid) == []
        assert left_behind(pid) == []
    assert [hz for hz, _ in groupby(it.hz for it in got)] == [19, 100, 19]
    assert [it.samples for it in got] == [it.count for it in kept.windows]
    for it in kept.windows:
        assert_taken(it, ready, version)
    # Which frame is innermost is the compiler's doing.
    assert any("Busy.work" in stack for it in got for stack in it.stacks)


@pytest.mark.skipif(17 not in JAVAS, reason="there is no JDK 17")
def test_without_debug_information_17_loses_nearly_all_of_a_loop_and_says_so(
    classes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept()
    with (
        running(java(17, classes, "1", walks=False), "java") as workload,
        attached(workload, kept) as driver,
    ):
        for hz in (100, 200):
            apply(driver, cpu=hz)
            pause(6)
    told = [it for it in caplog.messages if "tells of few of its samples" in it]
    assert len(told) == 1
    assert "-XX:+DebugNonSafepoints" in told[0]


@versions
def test_of_16_busy_threads_17_misses_most_and_says_so(version: int, classes: Path) -> None:
    kept = Kept()
    with running(java(version, classes, "16"), "java") as workload, attached(workload, kept) as it:
        apply(it, cpu=100)
        pause(8)
    (window,) = kept.windows
    if version == 25:
        assert_rate([window], 100, random=False)
    else:
        assert 0.05 < taken(window) < 0.9


@versions
def test_allocations_and_waits_for_monitors_weigh_what_they_should(
    version: int, classes: Path
) -> None:
    kept = Kept()
    allocating = java(version, classes, "1", "alloc")
    with running(allocating, "java") as workload, attached(workload, kept) as driver:
        apply(driver, alloc=100)
        pause(4)
    (alloc,) = kept.of("alloc")
    assert alloc.count <= 100 * (alloc.ended_s - alloc.began_s) * 1.2
    assert sum(alloc.weighed().values()) > 50 * 1024 * 1024
    assert any("Busy.allocate" in stack for stack in alloc.samples)

    kept = Kept()
    waiting = java(version, classes, "3", "lock")
    with running(waiting, "java") as workload, attached(workload, kept) as driver:
        apply(driver, lock=100)
        pause(4)
    (lock,) = kept.of("lock")
    # Of three threads that want one monitor two wait; a wait that goes on is not told of yet.
    assert 0 < sum(lock.weighed().values()) / 1e9 < 2 * (lock.ended_s - lock.began_s) * 1.1
    assert all("Busy.hold" in stack for stack in lock.samples)


@versions
def test_a_recording_of_the_users_is_left_alone_and_told_of(
    version: int, classes: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept()
    with running(java(version, classes, "1"), "java") as workload:
        pid = workload.processes[0].pid
        ask(pid, "JFR.start name=theirs settings=profile")
        ready, watch = Spent(pid, ready=True), Watch(workload.processes, besides=JVM_THREADS)
        with noting(ready), attached(workload, kept) as driver:
            apply(driver, cpu=19)
            pause(4)
        assert [line.split(" ")[2] for line in recordings(pid)] == ["name=theirs"]
        assert_theirs(pid, tmp_path, watch)
    (window,) = kept.windows
    if version == 17:
        assert window.hz == 100  # theirs takes one each 10 ms, and the JVM has one sampler
        assert "has a recording of its user's, 'theirs'" in caplog.text
    assert_taken(window, ready, version)


@versions
def test_a_recording_that_the_user_keeps_in_memory_is_not_emptied(
    version: int, classes: Path, tmp_path: Path
) -> None:
    with running(java(version, classes, "1"), "java") as workload:
        pid = workload.processes[0].pid
        ask(pid, "JFR.start name=theirs settings=profile disk=false")
        watch = Watch(workload.processes, besides=JVM_THREADS)
        pause(3)
        refused = pytest.raises(ProfilerFailed, match="in memory, 'theirs', which ours would empty")
        with attached(workload, Kept()) as driver, refused:
            apply(driver, cpu=19)
        assert_theirs(pid, tmp_path, watch)


@versions
def test_one_that_the_user_begins_meanwhile_costs_one_window(version: int, classes: Path) -> None:
    kept = Kept()
    with running(java(version, classes, "1"), "java") as workload, attached(workload, kept) as it:
        apply(it, cpu=100)
        pause(2)
        ask(workload.processes[0].pid, "JFR.start name=theirs settings=profile")
        apply(it, cpu=50)
        times, why = it.trouble() or (0, "")
        assert (times, "began another recording" in why) == (1, True)
        pause(3)
    assert [window.hz for window in kept.windows] == [50 if version == 25 else 100]


@versions
def test_when_the_agent_is_killed_the_recording_ends_by_itself(version: int, classes: Path) -> None:
    with running(java(version, classes, "1"), "java") as workload:
        pid = workload.processes[0].pid
        with agent("jfr", workload, 100) as running_agent:
            assert running_agent.stdout is not None
            assert running_agent.stdout.readline() == b"begins\n"
            assert running_agent.stdout.readline() == b"applied\n"
            running_agent.send_signal(signal.SIGKILL)
        eventually(
            lambda: not any("(running)" in line for line in recordings(pid)),
            within_s=16,
            every_s=0.5,
        )
        assert left_behind(pid) == []


def test_killed_at_any_moment_it_leaves_nothing_that_runs(classes: Path) -> None:
    version = min(JAVAS)
    with running(java(version, classes, "1"), "java") as workload:
        pid = workload.processes[0].pid
        for _ in range(20):
            with agent("jfr", workload, 100) as running_agent:
                assert running_agent.stdout is not None
                assert running_agent.stdout.readline() == b"begins\n"
                time.sleep(random.uniform(0, 1))
                running_agent.send_signal(signal.SIGKILL)
            assert state(pid) in "RS"
        eventually(
            lambda: not any("(running)" in line for line in recordings(pid)),
            within_s=16,
            every_s=0.5,
        )


def test_what_is_no_jvm_is_not_sent_sigquit(tmp_path: Path) -> None:
    with running(["sh", "-c", "echo busy; exec sleep 1000"], "java") as workload:
        refused = pytest.raises(ProfilerFailed, match="handles no SIGQUIT")
        with attached(workload, Kept()) as driver, refused:
            apply(driver, cpu=19)
        assert "handles no SIGQUIT" in str(attach.why_not(workload))
        eventually(lambda: state(workload.processes[0].pid) == "S", within_s=10)


@pytest.mark.servers("root, for networks of its own")
@versions
def test_a_jvm_in_namespaces_of_its_own_is_asked_all_the_same(version: int, classes: Path) -> None:
    """Another user's, with a /tmp, pids and users of its own, as in a container without root."""
    classes.chmod(0o755)
    script = 'mount -t tmpfs tmpfs /tmp && exec "$@"'
    command = [
        *("setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups"),
        *("unshare", "--user", "--map-root-user", "--pid", "--mount", "--fork", "--kill-child"),
        *("--mount-proc", "sh", "-c", script, "sh"),
        *java(version, HERE, "1"),
    ]
    kept = Kept()
    with running(command, "java", cwd=classes) as outside:
        (inner,) = below(outside.processes[0].pid)
        workload = Workload(attributes=outside.attributes, language="java", processes=(inner,))
        assert attach.why_not(workload) is None
        with attached(workload, kept) as driver:
            apply(driver, cpu=100)
            pause(3)
        assert left_behind(inner.pid) == []
    assert taken(kept.windows[0]) > 0.5


@versions
def test_a_jre_without_jcmd_or_attach_is_enough(
    version: int, classes: Path, tmp_path: Path
) -> None:
    jlink = JAVAS[version].with_name("jlink")
    image = tmp_path / "jre"
    subprocess.run([jlink, "--add-modules", "java.base,jdk.jfr", "--output", image], check=True)
    assert not (image / "bin" / "jcmd").exists()
    kept = Kept()
    command: list[str | Path] = [image / "bin" / "java", *WALKS[version], "-cp", classes, "Busy"]
    with running(command, "java") as workload, attached(workload, kept) as driver:
        apply(driver, cpu=100)
        pause(3)
    assert taken(kept.windows[0]) > 0.5


def test_a_jvm_that_lets_nobody_attach_is_not_sent_sigquit(classes: Path) -> None:
    command = java(min(JAVAS), classes, "1")
    with running([command[0], "-XX:+DisableAttachMechanism", *command[1:]], "java") as workload:
        assert "runs with -XX:+DisableAttachMechanism" in str(attach.why_not(workload))
        refused = pytest.raises(ProfilerFailed, match="DisableAttachMechanism")
        with attached(workload, Kept()) as driver, refused:
            apply(driver, cpu=100)


def test_a_jvm_without_flight_recorder_says_so(classes: Path, tmp_path: Path) -> None:
    image = tmp_path / "jre"
    jlink = JAVAS[min(JAVAS)].with_name("jlink")
    subprocess.run([jlink, "--add-modules", "java.base", "--output", image], check=True)
    command: list[str | Path] = [image / "bin" / "java", "-cp", classes, "Busy", "1"]
    refused = pytest.raises(ProfilerFailed, match="refuses")
    with running(command, "java") as workload, attached(workload, Kept()) as driver, refused:
        apply(driver, cpu=100)
