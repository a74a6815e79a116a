"""Drivers attached to real processes, and what their windows bring."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from upshift_agent import Decision, Profile
from upshift_host.drivers.attach import AttachDriver
from upshift_host.drivers.bpftrace.node import BpftraceDriver
from upshift_host.profiles.export import Exporter
from upshift_host.profiles.window import Window
from upshift_host.workload import Workload

Driver = AttachDriver | BpftraceDriver

AGENT = Path(__file__).parent / "agent.py"


class Kept:
    """An exporter that keeps what it is sent."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self._arrived = threading.Condition()

    def send(self, window: Window) -> None:
        with self._arrived:
            self.windows.append(window)
            self._arrived.notify_all()

    def wait_for(self, check: Callable[[list[Window]], object], within_s: float = 30.0) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: check(self.windows), within_s), self.windows

    def of(self, profile: Profile, hz: int | None = None) -> list[Window]:
        return [it for it in self.windows if it.profile == profile and hz in (None, it.hz)]


class Both:
    """Two exporters as one."""

    def __init__(self, *exporters: Exporter) -> None:
        self._exporters = exporters

    def send(self, window: Window) -> None:
        for exporter in self._exporters:
            exporter.send(window)


def apply(driver: Driver, **hz: int) -> None:
    """Run each profile at this frequency, the others not at all."""
    wanted = {profile: hz.get(profile, 0) for profile in driver.profiles}
    driver.apply({profile: Decision(hz=rate) for profile, rate in wanted.items()})


def pause(seconds: float) -> None:
    """Let profilers run: for what is counted, the time is the thing."""
    time.sleep(seconds)


def assert_rate(windows: list[Window], hz: int, *, random: bool, loses: float = 0.0) -> None:
    """As many samples as were to be expected of the time watched, within 10 %.

    random: whether the profiler draws its pauses at random, so that √N more or less is no fault:
    three times that is allowed besides. loses: the share that the profiler is known to lose.
    """
    assert {it.hz for it in windows} == {hz}
    watched = [it.threads_s for it in windows]
    assert None not in watched
    expected = sum(seconds for seconds in watched if seconds is not None) * hz
    seen = sum(it.count for it in windows)
    slack = 0.1 * expected + (3 * math.sqrt(expected) if random else 1)
    assert expected * (1 - loses) - slack <= seen <= expected + slack, (seen, expected)


@contextmanager
def agent(kind: str, workload: Workload, hz: int) -> Iterator[subprocess.Popen[bytes]]:
    """A host agent of one driver, in a process of its own, once it has applied `hz`."""
    (process,) = workload.processes
    command = [sys.executable, AGENT, kind, str(process.pid), str(process.start_ticks), str(hz)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout is not None
            yield running
        finally:
            running.kill()


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed beside Python is on the PATH, as in a unit's."""
    own = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([own, os.environ.get("PATH", os.defpath)]))
