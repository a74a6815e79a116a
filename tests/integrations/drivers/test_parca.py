"""Parca's real server takes the windows of two drivers, and answers with what was in them."""

from __future__ import annotations

import gzip
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from host.drivers.attached import Both, Kept, apply, pause, programs
from host.processes import busy_python, compiled_c, running
from integrations.parca import parca
from parts import program
from servers import eventually
from upshift_controller.demo.receiving.pprof import read_pprof
from upshift_host.drivers.attach import AttachDriver
from upshift_host.drivers.bpftrace.node import BpftraceDriver, Node
from upshift_host.drivers.py_spy import PySpy
from upshift_host.profiles.parca import Parca
from upshift_host.profiles.window import Window

__all__ = ["programs"]

pytestmark = [
    pytest.mark.servers("bpftrace", "cc", "root, for networks of its own"),
    pytest.mark.usefixtures("programs"),
    pytest.mark.skipif(not program("parca").exists(), reason="`make integrations` builds Parca"),
]

CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds:delta"


def nanoseconds(window: Window) -> int:
    return sum(window.weighed().values())


def test_windows_of_two_drivers_come_back_as_they_were_sent(tmp_path: Path) -> None:
    kept, began_s = Kept(), time.time()
    with ExitStack() as stack:
        server = stack.enter_context(parca(tmp_path / "parca"))
        exporter = Parca(server.url)
        both = Both(kept, exporter)
        c = stack.enter_context(
            running([compiled_c(tmp_path)], "native", **{"service.name": "till"})
        )
        python = stack.enter_context(
            running(busy_python(), "python", **{"service.name": "stock", "shop": 'ü {x="y"}'})
        )
        drivers = [
            BpftraceDriver(Node(), c, both),
            AttachDriver(PySpy(), python, both),
        ]
        for hz in (19, 100, 19):
            for driver in drivers:
                apply(driver, cpu=hz)
            pause(4)
        for driver in drivers:
            driver.close()
        exporter.close(10)
        counts = exporter.counts()
        assert (counts.sent, counts.refused, counts.dropped) == (len(kept.windows), 0, 0)
        for service, profiler in (("till", "bpftrace"), ("stock", "py-spy")):
            windows = [it for it in kept.windows if it.profiler == profiler]
            assert [it.hz for it in windows] == [19, 100, 19]
            which = f'{CPU}{{service_name="{service}",profiler="{profiler}"}}'
            until_s = time.time() + 1
            sums = eventually(
                lambda which=which, until_s=until_s: server.sums(which, began_s - 1, until_s)
            )
            assert sums == [nanoseconds(it) for it in windows]
            merged = server.merged(which, began_s - 1, until_s)
            (values,) = read_pprof(merged).values.values()
            assert sum(values) == sum(sums)
            assert b"spend" in gzip.decompress(merged)
