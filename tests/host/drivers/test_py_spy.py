"""py-spy, the real one, on real processes that are busy."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby

import pytest

from host.drivers.attached import Both, Kept, agent, apply, assert_rate, pause, programs
from host.processes import below, busy_python, exists, named, running, state
from host.receiver import receiving
from servers import eventually
from upshift_host.drivers import py_spy, window
from upshift_host.drivers.attach import AttachDriver
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.drivers.py_spy import PySpy
from upshift_host.profiles.pyroscope import Pyroscope
from upshift_host.workload import Workload

__all__ = ["programs"]

pytestmark = [pytest.mark.servers(), pytest.mark.usefixtures("programs")]


def of(pid: int) -> set[int]:
    """The py-spys that look at this process."""
    found: set[int] = set()
    for spy in named("py-spy"):
        try:
            with open(f"/proc/{spy}/cmdline", "rb") as line:
                if b"--pid\0%d\0" % pid in line.read():
                    found.add(spy)
        except OSError:
            continue
    return found


@contextmanager
def attached(
    workload: Workload, kept: Kept, window_s: float = window.WINDOW_S
) -> Iterator[AttachDriver]:
    driver = AttachDriver(PySpy(), workload, kept, window_s=window_s)
    try:
        yield driver
    finally:
        driver.close()


@contextmanager
def three_busy() -> Iterator[Workload]:
    """A service of three processes: so many samples the sooner."""
    with ExitStack() as all_:
        workloads = [all_.enter_context(running(busy_python(), "python")) for _ in range(3)]
        yield Workload(
            attributes={"service.name": "checkout"},
            language="python",
            processes=tuple(it.processes[0] for it in workloads),
        )


def test_19_100_19_is_what_the_receiver_counts() -> None:
    with receiving() as receiver, three_busy() as workload:
        exporter, kept = Pyroscope(receiver.url), Kept()
        driver = AttachDriver(PySpy(), workload, Both(kept, exporter))
        for hz in (19, 100, 19):
            apply(driver, cpu=hz)
            assert len([it for process in workload.processes for it in of(process.pid)]) == 3
            pause(10)
        achieved = driver.achieved()
        driver.close()
        exporter.close(10)
        got = receiver.ingested()
    assert [hz for hz, _ in groupby(it.hz for it in got)] == [19, 100, 19]
    assert [it.samples for it in got] == [it.count for it in kept.windows]
    assert {it.application for it in got} == {"checkout.cpu"}
    assert all(it.seconds < 15 for it in got)
    for it in kept.windows:
        assert_rate([it], it.hz, random=True)
    assert achieved.get("cpu", 19) < 30  # of 19 Hz, or nothing: what 100 achieved is forgotten
    assert any("spend (" in frame for stack in got[1].stacks for frame in stack)


def test_what_it_achieves_is_told_once_windows_have_ended() -> None:
    with running(busy_python(), "python") as workload, attached(workload, Kept(), 3) as driver:
        apply(driver, cpu=100)
        achieved = eventually(lambda: driver.achieved().get("cpu"), within_s=20)
        assert achieved == pytest.approx(100, rel=0.3)
        apply(driver, cpu=0)
        assert driver.achieved() == {}
        assert not of(workload.processes[0].pid)


def test_waiting_threads_are_in_the_wall_profile_and_not_in_cpu() -> None:
    kept = Kept()
    with running(busy_python(sleepers=3), "python") as workload, attached(workload, kept) as it:
        apply(it, cpu=50, wall=50)
        pause(6)
    (cpu,), (wall,) = kept.of("cpu"), kept.of("wall")
    assert_rate([cpu], 50, random=True)
    assert_rate([wall], 50, random=True)
    assert wall.threads_s == pytest.approx(4 * (wall.ended_s - wall.began_s), rel=0.1)
    assert any("wait (" in frame for stack in wall.samples for frame in stack)
    assert not any("wait (" in frame for stack in cpu.samples for frame in stack)
    assert not any("thread (" in frame for stack in wall.samples for frame in stack)


def test_a_process_that_cannot_be_sampled_is_refused_in_a_sentence() -> None:
    sleeping = ["sh", "-c", "echo busy; exec sleep 1000"]
    with running(sleeping, "python") as workload, attached(workload, Kept()) as driver:
        with pytest.raises(ProfilerFailed, match="py-spy did not start: "):
            apply(driver, cpu=19)
        assert not of(workload.processes[0].pid)


def test_one_that_is_killed_is_told_of_and_followed_by_another() -> None:
    kept = Kept()
    with running(busy_python(), "python") as workload, attached(workload, kept) as driver:
        apply(driver, cpu=100)
        (pid,) = workload.processes
        (spy,) = of(pid.pid)
        os.kill(spy, signal.SIGKILL)
        failures, reason = eventually(driver.trouble)
        assert (failures, "py-spy" in reason) == (1, True)
        eventually(lambda: of(pid.pid) - {spy}, within_s=20)


def test_one_that_hangs_is_killed_and_the_window_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(py_spy, "END_S", 0.5)
    kept = Kept()
    with running(busy_python(), "python") as workload, attached(workload, kept) as driver:
        apply(driver, cpu=100)
        (spy,) = of(workload.processes[0].pid)
        os.kill(spy, signal.SIGSTOP)
        apply(driver, cpu=19)
        assert not exists(spy)
        assert driver.trouble() == (
            1,
            "py-spy had not ended 0.5 s after it was told to; killed",
        )


def test_a_workload_that_exits_in_the_middle_of_a_window_is_no_trouble() -> None:
    kept = Kept()
    with running(busy_python(), "python") as workload:
        driver = AttachDriver(PySpy(), workload, kept)
        apply(driver, cpu=100)
        pause(2)
    kept.wait_for(lambda windows: windows)
    assert not of(workload.processes[0].pid)
    assert kept.windows[0].count > 50
    assert kept.windows[0].ended_s - kept.windows[0].began_s == pytest.approx(2, abs=1)
    apply(driver, cpu=19)
    assert driver.trouble() is None
    driver.close()


def test_a_worker_that_comes_is_sampled_too() -> None:
    kept = Kept()
    with running(busy_python(), "python") as first, running(busy_python(), "python") as second:
        with attached(first, kept) as driver:
            apply(driver, cpu=100)
            driver.processes(first.processes + second.processes)
            eventually(lambda: of(second.processes[0].pid))
            assert of(first.processes[0].pid)
        assert not of(second.processes[0].pid)


def test_whenever_it_is_killed_the_application_runs_on() -> None:
    """It would not, had it been stopped by ptrace in that moment."""
    with running(busy_python(), "python") as workload:
        pid = workload.processes[0].pid
        for _ in range(10):
            with agent("py-spy", workload, 500) as running_agent:
                assert running_agent.stdout is not None
                for expected in (b"begins\n", b"applied\n"):
                    assert running_agent.stdout.readline() == expected
                time.sleep(random.uniform(0, 0.2))
                for spy in of(pid):
                    os.kill(spy, signal.SIGKILL)
            assert state(pid) in "RS"


def test_when_the_agent_is_killed_no_process_is_left() -> None:
    with running(busy_python(), "python") as workload:
        pid = workload.processes[0].pid
        for _ in range(20):
            with agent("py-spy", workload, 100) as running_agent:
                assert running_agent.stdout is not None
                assert running_agent.stdout.readline() == b"begins\n"
                time.sleep(random.uniform(0, 1.5))
                running_agent.send_signal(signal.SIGKILL)
            eventually(lambda: not of(pid), within_s=15)
            assert state(pid) in "RS"


@pytest.mark.servers("root, for networks of its own")
def test_one_in_namespaces_of_its_own_is_sampled_all_the_same() -> None:
    kept = Kept()
    unshare = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
    with running([*unshare, *busy_python()], "python") as outside:
        (inner,) = below(outside.processes[0].pid)
        workload = Workload(attributes=outside.attributes, language="python", processes=(inner,))
        assert py_spy.why_not(workload) is None
        with attached(workload, kept) as driver:
            apply(driver, cpu=100)
            pause(2)
    assert any("spend (" in frame for stack in kept.windows[0].samples for frame in stack)


def test_without_py_spy_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with running([sys.executable, *busy_python()[1:]], "python") as workload:
        assert py_spy.why_not(workload) == "py-spy is not on the PATH"
