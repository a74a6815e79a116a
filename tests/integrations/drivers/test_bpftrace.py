"""bpftrace, the real one, on real processes that are busy."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pytest

from host.drivers.attached import Both, Kept, agent, apply, assert_rate, pause
from host.processes import busy_python, compiled_c, exists, named, running
from host.receiver import receiving
from servers import eventually
from upshift_host.drivers.bpftrace import node as module
from upshift_host.drivers.bpftrace import rights
from upshift_host.drivers.bpftrace.node import BpftraceDriver, Node
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.profiles.export import Exporter
from upshift_host.profiles.pyroscope import Pyroscope
from upshift_host.workload import Workload

pytestmark = pytest.mark.servers("bpftrace", "cc", "root, for networks of its own")


@contextmanager
def taking_part(node: Node, workload: Workload, exporter: Exporter) -> Iterator[BpftraceDriver]:
    driver = BpftraceDriver(node, workload, exporter)
    try:
        yield driver
    finally:
        driver.close()


@pytest.fixture
def mine() -> Iterator[set[int]]:
    """The bpftraces of others; afterwards there is none besides."""
    others = named("bpftrace")
    yield others
    assert not named("bpftrace") - others


def test_a_boosted_workload_has_a_rate_of_its_own_beside_the_others(
    tmp_path: Path, mine: set[int]
) -> None:
    node, kept = Node(), Kept()
    with (
        receiving() as receiver,
        running([compiled_c(tmp_path)], "native", **{"service.name": "till"}) as c,
        running(busy_python(), "python", **{"service.name": "stock"}) as python,
    ):
        exporter = Pyroscope(receiver.url)
        both = Both(kept, exporter)
        with taking_part(node, c, both) as till, taking_part(node, python, both) as stock:
            apply(till, cpu=19)
            apply(stock, cpu=19)
            assert len(named("bpftrace") - mine) == 1
            pause(8)
            apply(till, cpu=100)
            assert len(named("bpftrace") - mine) == 1
            pause(8)
            apply(till, cpu=19)
            pause(8)
        exporter.close(10)
        got = receiver.ingested()
    tills = [it for it in kept.windows if it.attributes["service.name"] == "till"]
    stocks = [it for it in kept.windows if it.attributes["service.name"] == "stock"]
    phases = [list(windows) for _, windows in groupby(tills, key=lambda it: it.hz)]
    assert [phase[0].hz for phase in phases] == [19, 100, 19]
    assert {it.hz for it in stocks} == {19}
    for windows in [*phases, stocks]:
        assert_rate(windows, windows[0].hz, random=False)
    assert sorted((it.application, it.hz, it.samples) for it in got) == sorted(
        (f"{it.attributes['service.name']}.cpu", it.hz, it.count) for it in kept.windows
    )
    assert any("spend" in stack for stack in phases[1][0].samples)
    assert any(
        frame.endswith("_[k]") for it in phases[1] for stack in it.samples for frame in stack
    )


@pytest.mark.servers("musl-gcc")
def test_a_static_program_of_musls_is_sampled_like_any_other(
    tmp_path: Path, mine: set[int]
) -> None:
    node, kept = Node(), Kept()
    program = compiled_c(tmp_path, "musl-gcc", "-static")
    with running([program], "native") as workload, taking_part(node, workload, kept) as driver:
        apply(driver, cpu=100)
        pause(4)
    assert_rate(kept.windows, 100, random=False)
    assert any("spend" in stack for stack in kept.windows[0].samples)


def test_what_it_achieves_is_told_and_forgotten_at_0(tmp_path: Path, mine: set[int]) -> None:
    node = Node(window_s=3)
    with (
        running([compiled_c(tmp_path)], "native") as workload,
        taking_part(node, workload, Kept()) as driver,
    ):
        apply(driver, cpu=100)
        achieved = eventually(lambda: driver.achieved().get("cpu"), within_s=30)
        assert achieved == pytest.approx(100, rel=0.1)
        apply(driver, cpu=0)
        assert driver.achieved() == {}
        assert not named("bpftrace") - mine


def test_twenty_that_begin_at_once_share_one_process_and_few_starts(
    tmp_path: Path, mine: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    begin = module._Sampling.begin
    monkeypatch.setattr(
        module._Sampling, "begin", lambda shares: started.append(len(shares)) or begin(shares)
    )
    node = Node()
    with running([compiled_c(tmp_path)], "native") as workload:
        drivers = [BpftraceDriver(node, workload, Kept()) for _ in range(20)]
        threads = [threading.Thread(target=apply, args=(it,), kwargs={"cpu": 19}) for it in drivers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(named("bpftrace") - mine) == 1
        assert started[-1] == 20
        assert len(started) <= 4
        for driver in drivers[1:]:
            node._note(driver, None)  # each close would be a start
        drivers[0].close()


def test_one_that_is_killed_is_told_of_and_followed_by_another(
    tmp_path: Path, mine: set[int]
) -> None:
    node = Node()
    with (
        running([compiled_c(tmp_path)], "native") as workload,
        taking_part(node, workload, Kept()) as driver,
    ):
        apply(driver, cpu=19)
        (first,) = named("bpftrace") - mine
        os.kill(first, signal.SIGKILL)
        assert eventually(driver.trouble)[0] == 1
        eventually(lambda: named("bpftrace") - mine - {first}, within_s=30)


def test_one_that_hangs_is_killed(
    tmp_path: Path, mine: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "END_S", 0.5)
    node = Node()
    with running([compiled_c(tmp_path)], "native") as workload:
        driver = BpftraceDriver(node, workload, Kept())
        apply(driver, cpu=19)
        (first,) = named("bpftrace") - mine
        os.kill(first, signal.SIGSTOP)
        apply(driver, cpu=0)
        assert not exists(first)


def test_one_that_cannot_start_is_refused_and_the_others_go_on(
    tmp_path: Path, mine: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node()
    with (
        running([compiled_c(tmp_path)], "native") as workload,
        taking_part(node, workload, Kept()) as first,
        taking_part(node, workload, Kept()) as second,
    ):
        apply(first, cpu=19)
        with monkeypatch.context() as patch:
            patch.setattr(module, "START_S", 0.0)
            with pytest.raises(ProfilerFailed, match="bpftrace did not start in 0 s"):
                apply(second, cpu=100)
        eventually(lambda: len(named("bpftrace") - mine) == 1, within_s=30)
        apply(second, cpu=100)
        assert len(named("bpftrace") - mine) == 1


def test_when_the_agent_is_killed_no_process_is_left(tmp_path: Path, mine: set[int]) -> None:
    with running([compiled_c(tmp_path)], "native") as workload:
        for _ in range(20):
            with agent("bpftrace", workload, 100) as running_agent:
                assert running_agent.stdout is not None
                assert running_agent.stdout.readline() == b"begins\n"
                time.sleep(random.uniform(0, 2.5))
                running_agent.send_signal(signal.SIGKILL)
            eventually(lambda: not named("bpftrace") - mine, within_s=15)


def asked(*before: str) -> str:
    """What `why_not` says in a process that is run so."""
    asks = (
        "from upshift_host.drivers.bpftrace import rights; from upshift_host.workload import *;"
        "print(rights.why_not(Workload(attributes={'service.name': 'x'}, language='native',"
        "processes=(Process(1, 1),))))"
    )
    command = [*before, sys.executable, "-c", asks]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_what_it_lacks_is_said() -> None:
    assert asked() == "None"
    assert asked("setpriv", "--reuid", "65534", "--clear-groups") == "bpftrace runs as root only"
    lacking = "-sys_admin,-bpf,-perfmon"
    assert asked("setpriv", "--inh-caps", lacking, "--bounding-set", lacking) == (
        "may not load eBPF programs: it takes CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN"
    )
    below = ["unshare", "--pid", "--fork", "--mount-proc"]
    assert "set hostPID" in asked(*below)


def test_without_bpftrace_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    workload = Workload(
        attributes={"service.name": "x"}, language="native", processes=(module.Process(1, 1),)
    )
    assert rights.why_not(workload) == "bpftrace is not on the PATH"
