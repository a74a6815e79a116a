"""How much time there was to be seen, read of real processes."""

from __future__ import annotations

import os
import time

import pytest

from host.processes import busy_python, identified, running
from servers import eventually
from upshift_host.drivers.watching import Watch, alive
from upshift_host.workload import Process


def test_a_busy_process_has_a_second_of_cpu_or_of_waiting_in_each_second() -> None:
    with running(busy_python(), "python") as workload:
        watch = Watch(workload.processes)
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 1)
        seconds, elapsed_s = watch.seconds(), time.monotonic() - began
    assert seconds is not None
    assert seconds.runnable == pytest.approx(elapsed_s, rel=0.1)
    assert seconds.cpu > 0


def test_threads_that_do_not_count_are_left_out() -> None:
    with running(busy_python(), "python") as workload:
        (process,) = workload.processes
        with open(f"/proc/{process.pid}/comm") as comm:
            name = comm.read().strip()
        watch = Watch(workload.processes, besides=(name,))
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 0.5)
        seconds = watch.seconds()
    assert seconds is not None
    assert seconds.runnable == pytest.approx(0, abs=0.05)


def test_of_a_process_that_has_ended_nobody_knows() -> None:
    with running(busy_python(), "python") as workload:
        watch = Watch(workload.processes)
        assert watch.seconds() is not None
    assert watch.seconds() is None
    assert not alive(workload.processes[0])


def test_another_process_with_the_same_pid_is_another_one() -> None:
    me = identified(os.getpid())
    assert alive(me)
    assert not alive(Process(me.pid, me.start_ticks + 1))
