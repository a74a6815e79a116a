"""The user's `fallback_strategy`, word for word: eBPF is taken away, then ptrace, and each time the
next method has its turn, says why, goes up for an alert and comes back.

They are taken from the profilers while the host agent runs, by the kernel: what stands on its PATH
in the place of bpftrace and of py-spy becomes the real one without the capabilities it needs.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.processes import BUSY, exists
from host.receiver import Ingested
from host.spent import Spent, noting
from integrations.whole.world import World, world
from servers import RedisServer, eventually, free_port

pytestmark = pytest.mark.servers("bpftrace", "setpriv", "root, for networks of its own")

#: Of the user's guide.
STRATEGY = """
  - method: ebpf
    priority: 1
  - method: push
    priority: 2
  - method: pull
    priority: 3
"""
NO_EBPF = "-bpf,-perfmon,-sys_admin"
NO_PTRACE = "-sys_ptrace"
#: A driver that fails is noticed with its next window, and gives way after three failures.
GIVES_WAY_S = 90.0
BOOST_S = 45
#: On a busy machine bpftrace takes a while to compile its program.
RAISED_S = 25.0


class Chain:
    """A world whose one service could be profiled by each method."""

    def __init__(self, running: World, programs: Path) -> None:
        self.running = running
        self._programs = programs

    def take(self, program: str, rights: str) -> None:
        """From now on it has these no more."""
        real = shutil.which(program, path=path_of_all())
        new = self._programs / "new"
        new.write_text(f'#!/bin/sh\nexec setpriv --bounding-set={rights} -- {real} "$@"\n')
        new.chmod(0o755)
        new.rename(self._programs / program)

    def said(self) -> str:
        """What the status says of the way that runs."""
        found = self.running.statuses("checkout")
        return found[0].driver if found else ""

    def until(self, pattern: str, within_s: float = GIVES_WAY_S) -> None:
        def says() -> bool:
            assert re.fullmatch(pattern, said := self.said()), said
            return True

        eventually(says, within_s=within_s, every_s=0.2)

    def until_at(self, hz: int, within_s: float) -> None:
        eventually(lambda: self.running.applied("checkout") == [hz], within_s=within_s)

    def up_and_back(self, episode: str, profiler: str) -> list[Ingested]:
        """An alert, and what its method sent of the boost."""
        self.until_at(19, 30)
        since = time.time()
        self.running.fire("checkout", episode)
        self.until_at(100, RAISED_S)
        self.until_at(19, BOOST_S + RAISED_S)

        def sent() -> list[Ingested]:
            return [
                it
                for it in self.running.windows("checkout")
                if it.hz == 100 and it.from_s > since and it.profiler == profiler
            ]

        # The last window is told once its profiler has looked up the names in it.
        eventually(lambda: sum(it.seconds for it in sent()) > 0.3 * BOOST_S, within_s=30)
        return sent()


def path_of_all() -> str:
    """With what came with these tests' packages."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.fixture
def chain(tmp_path: Path, valkey: RedisServer) -> Iterator[Chain]:
    port, programs = free_port(), tmp_path / "programs"
    programs.mkdir()
    for program in ("bpftrace", "py-spy"):
        (programs / program).symlink_to(str(shutil.which(program, path=path_of_all())))
    more = f"pprof: {{ports: [{port}], languages: [python]}}\n"
    services = {"checkout": [sys.executable, BUSY / "served.py", str(port)]}
    with world(tmp_path, valkey, services, BOOST_S, STRATEGY + more) as running:
        running.end_agent(15)
        running.start_agent("env", f"PATH={programs}:{path_of_all()}")
        yield Chain(running, programs)


@pytest.mark.timeout(600)
def test_ebpf_then_push_then_pull_each_goes_up_for_an_alert_and_comes_back(chain: Chain) -> None:
    spent = Spent(chain.running.processes["checkout"].pid)
    ready = Spent(chain.running.processes["checkout"].pid, ready=True)
    with noting(spent, ready):
        chain.until("bpftrace", 60)
        spent.assert_counted(chain.up_and_back("1", "bpftrace"), random=False)

        chain.take("bpftrace", NO_EBPF)
        failed = r"not bpftrace: failed \d times in a row: bpftrace .+"
        chain.until(rf"py-spy \({failed}\)")
        ready.assert_counted(chain.up_and_back("2", "py-spy"), random=True)

        chain.take("py-spy", NO_PTRACE)
        also = r"not py-spy: failed \d times in a row: py-spy did not start: .+"
        chain.until(rf"pprof: 19% of the time at 100 Hz \({failed}; {also}\)")
        windows = chain.up_and_back("3", "pprof")
        chain.until(rf"pprof: 19% of the time at 100 Hz \({failed}; {also}\)", 10)
    for window in windows:
        assert window.samples == pytest.approx(100 * window.seconds, rel=0.1)
    at_rest = chain.running.profilers()
    assert not [it for it in at_rest if exists(it)], "of what gave way nothing runs"
    assert "Traceback" not in chain.running.log()


@pytest.mark.timeout(600)
def test_in_the_middle_of_a_boost_the_next_method_carries_it_to_its_end(chain: Chain) -> None:
    chain.until("bpftrace", 60)
    chain.until_at(19, 30)
    chain.take("bpftrace", NO_EBPF)  # nobody has noticed yet
    chain.running.fire("checkout")
    chain.until(r"py-spy \(not bpftrace: .+\)")
    chain.until_at(100, RAISED_S)
    chain.until_at(19, BOOST_S + RAISED_S)
    raised = [it for it in chain.running.windows("checkout") if it.hz == 100]
    assert {it.profiler for it in raised} == {"py-spy"}


@pytest.mark.timeout(200)
def test_without_the_rights_from_the_start_the_status_says_which(chain: Chain) -> None:
    chain.running.end_agent(15)
    chain.running.start_agent("setpriv", f"--bounding-set={NO_EBPF}", "--inh-caps=-all")
    said = "may not load eBPF programs: it takes CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN"
    chain.until(re.escape(f"py-spy (not bpftrace: {said})"), 40)
    chain.up_and_back("1", "py-spy")
