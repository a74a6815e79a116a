"""async-profiler in real JVMs, of JDK 17 and 25, that know nothing of Upshift.

Long, because a JVM takes as long to be had as a test to be written.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pytest

from host.drivers.attached import Both, Kept, agent, apply, pause
from host.drivers.jfr.jdks import JAVAS
from host.processes import below, compiled_java, running, state
from host.receiver import receiving
from parts import program
from servers import eventually
from upshift_host.drivers.async_profiler import profiling
from upshift_host.drivers.async_profiler.library import find
from upshift_host.drivers.async_profiler.profiling import AsyncProfilerDriver
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.drivers.jfr.attach import load
from upshift_host.drivers.jfr.place import Place
from upshift_host.drivers.watching import Watch
from upshift_host.profiles import folded
from upshift_host.profiles.pyroscope import Pyroscope
from upshift_host.profiles.window import Window
from upshift_host.workload import Workload

JAR = program("async-profiler")

pytestmark = [
    pytest.mark.servers("javac"),
    pytest.mark.skipif(not JAR.exists(), reason="`make integrations` fetches async-profiler"),
]

versions = pytest.mark.parametrize(
    "version",
    [
        pytest.param(it, marks=[] if it in JAVAS else pytest.mark.skip(f"there is no JDK {it}"))
        for it in (17, 25)
    ],
)
#: As Busy.java and Known.java take them.
BUSY_THREADS, IDLE_THREADS = 16, 20
#: Where a process is can be reached by whoever may enter that folder, whatever is above it.
HERE = Path("/proc/self/cwd")


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled_java(tmp_path_factory.mktemp("classes"))


def java(version: int, classes: Path, *arguments: str | Path) -> list[str | Path]:
    """Without any option that would help a profiler."""
    return [JAVAS[version], "-XX:+UseSerialGC", "-Xmx64m", "-cp", classes, *arguments]


def busy(version: int, classes: Path, threads: int = 1) -> list[str | Path]:
    return java(version, classes, "Busy", str(threads))


@contextmanager
def attached(workload: Workload, kept: Kept) -> Iterator[AsyncProfilerDriver]:
    driver = AsyncProfilerDriver(JAR, workload, kept)
    try:
        yield driver
    finally:
        driver.close()


def left_behind(pid: int) -> list[str]:
    """What of ours lies in its /tmp, besides the library, which is in use."""
    ours = re.compile(r"(upshift|asprof-log)[-.][0-9a-f]{32}.*|\.attach_pid.*")
    with Place(pid) as place:
        return [it for it in os.listdir(place.descriptor) if ours.fullmatch(it)]


def library(folder: Path) -> Path:
    """Somebody else's copy of it."""
    path = folder / "libasyncProfiler.so"
    path.write_bytes(find(JAR).content)
    path.chmod(0o755)
    return path


def copied(pid: int) -> str:
    """Our own, as the JVM sees it."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    (path,) = {it[it.find("/") :] for it in lines if "/upshift-async-profiler-" in it}
    return path


def asked(pid: int, path: str | Path, options: str) -> str:
    """What a library says."""
    with Place(pid) as place:
        name = f"asked-{random.randrange(1 << 32)}"
        try:
            load(pid, str(path), f"{options},log=/tmp/{name}")
            return Path(place.path(name)).read_text()
        finally:
            place.remove(name)


def runs(pid: int, path: str | Path) -> bool:
    return "is running" in asked(pid, path, "status")


def let_spend(workload: Workload, cpu_s: float) -> None:
    """As much as is to be counted, however many others want the CPU."""
    watch = Watch(workload.processes)

    def spent() -> bool:
        seconds = watch.seconds()
        return seconds is not None and seconds.cpu >= cpu_s

    eventually(spent, within_s=120, every_s=0.2)


def assert_counted(windows: Sequence[Window], threads: int = 0) -> None:
    """As many samples as there were to be, within 10 %. threads: of each that uses a CPU the last
    period of a window is not over, and not counted: half of one on average."""
    (hz,) = {it.hz for it in windows}
    watched = [it.threads_s for it in windows]
    assert None not in watched
    expected = hz * sum(it for it in watched if it is not None)
    seen = sum(it.count for it in windows)
    lowest = 0.9 * expected - len(windows) * threads / 2 - 2
    assert expected > 50, "too little was to be seen"
    assert lowest <= seen <= 1.1 * expected + 2, (hz, seen, expected)


class Truth:
    """What Known says that it did."""

    def __init__(self, path: Path) -> None:
        lines = [line.split() for line in path.read_text().splitlines() if line.count(" ") == 2]
        self._lines = [(int(at) / 1000, int(bytes_), int(ns)) for at, bytes_, ns in lines]

    def between(self, window: Window) -> tuple[float, float]:
        """Bytes allocated, and nanoseconds waited."""
        until, since = self._at(window.ended_s), self._at(window.began_s)
        return until[0] - since[0], until[1] - since[1]

    def _at(self, moment_s: float) -> tuple[float, float]:
        _, bytes_, ns = min(self._lines, key=lambda it: abs(it[0] - moment_s))
        return bytes_, ns


@pytest.mark.timeout(500)
@versions
def test_16_busy_threads_are_counted_19_100_19_at_the_receiver(version: int, classes: Path) -> None:
    kept = Kept()
    command = busy(version, classes, BUSY_THREADS)
    with receiving() as receiver, running(command, "java") as workload:
        pid = workload.processes[0].pid
        exporter = Pyroscope(receiver.url)
        driver = AsyncProfilerDriver(JAR, workload, Both(kept, exporter))
        for hz in (19, 100, 19):
            apply(driver, cpu=hz)
            let_spend(workload, 8)
        driver.close()
        exporter.close(10)
        got = receiver.ingested()
        assert not runs(pid, copied(pid))
        assert left_behind(pid) == []
    assert [hz for hz, _ in groupby(it.hz for it in got)] == [19, 100, 19]
    assert [it.samples for it in got] == [it.count for it in kept.windows]
    for _, phase in groupby(kept.windows, key=lambda it: it.hz):
        assert_counted(list(phase), BUSY_THREADS)
    assert all("Busy.work" in ";".join(stack) for it in kept.windows for stack in busiest(it))


def busiest(window: Window) -> list[tuple[str, ...]]:
    """The stack that was seen most often."""
    return sorted(window.samples, key=lambda it: window.samples[it])[-1:]


@pytest.mark.timeout(120)
@versions
def test_one_window_carries_all_four_profiles_and_their_sums_are_right(
    version: int, classes: Path, tmp_path: Path
) -> None:
    kept, said = Kept(), tmp_path / "truth"
    with (
        running(java(version, classes, "Known", said, str(IDLE_THREADS)), "java") as workload,
        attached(workload, kept) as driver,
    ):
        for _ in range(2):  # of the first it learns how much is allocated
            apply(driver, cpu=100, wall=19, alloc=100, lock=100)
            pause(10)
            driver.close()
        pause(0.2)
        truth = Truth(said)
    assert {it.profile for it in kept.windows} == {"cpu", "wall", "alloc", "lock"}
    cpu, wall, alloc, lock = (kept.of(it)[-1] for it in ("cpu", "wall", "alloc", "lock"))
    # What cpu counts other tests say. Where all CPUs are taken the thread that takes wall's samples
    # is late now and then, and skips what it has missed.
    assert 0 < cpu.count <= 1.1 * cpu.hz * (cpu.threads_s or 0) + 2
    assert 0.6 < wall.count / (wall.hz * (wall.threads_s or 1)) < 1.1
    asleep = sum(count for stack, count in wall.samples.items() if "Thread.sleep" in str(stack))
    assert asleep > 0.6 * IDLE_THREADS * 19 * (wall.ended_s - wall.began_s)
    allocated, waited = truth.between(alloc)
    assert sum(alloc.weighed().values()) == pytest.approx(allocated, rel=0.15)
    assert alloc.count / (alloc.ended_s - alloc.began_s) == pytest.approx(100, rel=0.3)
    assert any("Known.allocate" in stack for stack in alloc.samples)
    assert sum(lock.weighed().values()) == pytest.approx(waited, rel=0.1)
    for entered in ("Known.enter", "Known.enterLock"):
        assert any(entered in stack for stack in lock.samples), "monitors, and java.util.concurrent"


@versions
def test_by_one_timer_for_all_threads_those_that_compute_little_count_as_well(
    version: int, classes: Path, tmp_path: Path
) -> None:
    kept = Kept()
    command = java(version, classes, "Known", tmp_path / "truth")
    with running(command, "java") as workload:
        driver = AsyncProfilerDriver(JAR, workload, kept, timer="itimer")
        apply(driver, cpu=100)
        let_spend(workload, 4)
        driver.close()
    assert_counted(kept.windows)


@versions
def test_above_the_kernels_ticks_it_says_so_and_achieves_those(version: int, classes: Path) -> None:
    ticks = profiling.ticks_hz()
    assert 100 <= ticks <= 1000
    kept = Kept()
    with running(busy(version, classes), "java") as workload, attached(workload, kept) as driver:
        apply(driver, cpu=5000)
        assert driver.says() == f"cpu at {ticks} Hz, for the kernel's timers run at {ticks} Hz"
        let_spend(workload, 2)
        driver._loop.renew()
        kept.wait_for(lambda windows: windows)
        achieved = driver.achieved()["cpu"]
        apply(driver, cpu=19)
        assert driver.says() is None
    assert_counted(kept.of("cpu", ticks))
    assert achieved == pytest.approx(ticks, rel=0.1)


@versions
@pytest.mark.parametrize("theirs", ["start,jfr,event=itimer", "start,collapsed,event=itimer"])
def test_a_session_that_somebody_else_began_is_left_alone(
    theirs: str, version: int, classes: Path, tmp_path: Path
) -> None:
    """Whether the system shows it (`jfr`), or has to be asked."""
    with running(busy(version, classes), "java") as workload:
        pid, path = workload.processes[0].pid, library(tmp_path)
        asked(pid, path, f"{theirs},interval=10ms,file={tmp_path}/theirs")
        refused = pytest.raises(ProfilerFailed, match="somebody else began; it is left alone")
        with attached(workload, Kept()) as driver:
            for _ in range(2):
                with refused:
                    apply(driver, cpu=100)
            if "jfr" in theirs:
                assert "left alone" in str(profiling.why_not(JAR, workload))
            watch = Watch(workload.processes)
            pause(3)
            seconds = watch.seconds()
            assert runs(pid, path)
            asked(pid, path, f"stop,collapsed,file={tmp_path}/theirs")
            if "collapsed" in theirs:
                counts = folded.parse((tmp_path / "theirs").read_text())
                assert seconds is not None
                assert counts.total() > 90 * seconds.cpu
            apply(driver, cpu=100)  # now it is ours to begin


@versions
def test_the_library_that_a_user_has_is_the_one_that_is_loaded(version: int, classes: Path) -> None:
    """So that whoever begins a session with it by hand is told that ours runs."""
    folder = Path("/opt") / f"upshift-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        path, kept = library(folder), Kept()
        with running(busy(version, classes), "java") as workload:
            pid = workload.processes[0].pid
            driver = AsyncProfilerDriver(folder, workload, kept)
            apply(driver, cpu=100)
            assert "already started" in asked(pid, path, "start,event=cpu")
            pause(3)
            driver.close()
            assert driver.trouble() is None
            assert kept.windows[0].count > 0
            assert str(path) in Path(f"/proc/{pid}/maps").read_text()
    finally:
        (folder / "libasyncProfiler.so").unlink(missing_ok=True)
        folder.rmdir()


def kill_one_that_samples(workload: Workload) -> None:
    """An agent, whose session goes on without it."""
    pid = workload.processes[0].pid
    with agent(f"async-profiler={JAR}", workload, 100) as killed:
        assert killed.stdout is not None
        said = [killed.stdout.readline(), killed.stdout.readline()]
        assert said == [b"begins\n", b"applied\n"]
        killed.send_signal(signal.SIGKILL)
    assert runs(pid, copied(pid))


@versions
def test_when_the_agent_is_killed_the_session_ends_by_itself(version: int, classes: Path) -> None:
    with running(busy(version, classes), "java") as workload:
        kill_one_that_samples(workload)
        pid = workload.processes[0].pid
        eventually(lambda: not runs(pid, copied(pid)), within_s=16, every_s=0.5)
        assert left_behind(pid) == []


@pytest.mark.timeout(300)
@versions
def test_killed_at_any_moment_it_leaves_nothing_that_runs(version: int, classes: Path) -> None:
    with running(busy(version, classes), "java") as workload:
        pid = workload.processes[0].pid
        for _ in range(20):
            with agent(f"async-profiler={JAR}", workload, 100) as killed:
                assert killed.stdout is not None
                assert killed.stdout.readline() == b"begins\n"
                time.sleep(random.uniform(0, 1.5))
                killed.send_signal(signal.SIGKILL)
            assert state(pid) in "RS"
        eventually(lambda: not runs(pid, copied(pid)), within_s=16, every_s=0.5)
        # And whoever comes next goes on as if nothing had been.
        kept = Kept()
        with attached(workload, kept) as driver:
            apply(driver, cpu=100)
            let_spend(workload, 2)
    assert_counted(kept.windows)


@versions
def test_one_that_was_left_does_not_hold_up_the_next_agent(version: int, classes: Path) -> None:
    kept = Kept()
    with running(busy(version, classes), "java") as workload:
        kill_one_that_samples(workload)
        with attached(workload, kept) as driver:
            apply(driver, cpu=100)
            let_spend(workload, 2)
    assert_counted(kept.windows)


@pytest.mark.servers("root, for networks of its own")
@versions
def test_a_jvm_in_namespaces_of_its_own_is_sampled_all_the_same(
    version: int, classes: Path
) -> None:
    """Another user's, with a /tmp, pids and users of its own, as in a container without root."""
    classes.chmod(0o755)
    script = 'mount -t tmpfs tmpfs /tmp && exec "$@"'
    command = [
        *("setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups"),
        *("unshare", "--user", "--map-root-user", "--pid", "--mount", "--fork", "--kill-child"),
        *("--mount-proc", "sh", "-c", script, "sh"),
        *busy(version, HERE),
    ]
    kept = Kept()
    with running(command, "java", cwd=classes) as outside:
        (inner,) = below(outside.processes[0].pid)
        workload = Workload(attributes=outside.attributes, language="java", processes=(inner,))
        assert profiling.why_not(JAR, workload) is None
        with attached(workload, kept) as driver:
            apply(driver, cpu=100)
            let_spend(workload, 2)
        assert left_behind(inner.pid) == []
    assert_counted(kept.windows)


def test_a_jvm_that_lets_nobody_attach_says_so(classes: Path) -> None:
    command = busy(min(JAVAS), classes)
    with running([command[0], "-XX:+DisableAttachMechanism", *command[1:]], "java") as workload:
        assert "DisableAttachMechanism" in str(profiling.why_not(JAR, workload))


@pytest.mark.servers("root, for networks of its own")
def test_a_tmp_that_nothing_is_loaded_from_says_so_and_is_left_clean(classes: Path) -> None:
    script = 'mount -t tmpfs -o noexec tmpfs /tmp && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", *busy(min(JAVAS), HERE)]
    with (
        running(command, "java", cwd=classes) as workload,
        attached(workload, Kept()) as driver,
    ):
        with pytest.raises(ProfilerFailed, match=r"refuses: .*(not permitted|failed to map)"):
            apply(driver, cpu=100)
        assert left_behind(workload.processes[0].pid) == []


@pytest.mark.servers("root, for networks of its own")
def test_a_full_tmp_costs_the_window_and_is_left_clean(classes: Path) -> None:
    script = 'mount -t tmpfs -o size=128k tmpfs /tmp && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", *busy(min(JAVAS), HERE)]
    with (
        running(command, "java", cwd=classes) as workload,
        attached(workload, Kept()) as driver,
    ):
        with pytest.raises(ProfilerFailed, match="cannot be put into the /tmp"):
            apply(driver, cpu=100)
        assert left_behind(workload.processes[0].pid) == []


def test_a_jvm_that_ends_in_the_middle_of_a_window_is_no_failure(classes: Path) -> None:
    kept = Kept()
    with running(busy(min(JAVAS), classes), "java") as workload, attached(workload, kept) as driver:
        apply(driver, cpu=100)
        subprocess.run(["kill", "-9", str(workload.processes[0].pid)], check=True)
        eventually(lambda: state(workload.processes[0].pid) == "Z")
        driver.close()
        assert driver.trouble() is None
    assert kept.windows == []
