"""A profiler that somebody else runs, under a host agent: shared, and left at rest."""

from __future__ import annotations

from pathlib import Path

from host.running.conftest import Host, StartHost, StartProcess
from servers import eventually
from upshift_agent.contract import Status
from upshift_agent.testing import FakeController

ENTRY = """\
files:
  - preset: file
    name: theirs
    file: {folder}/theirs.conf
    template: |
      rate {{hz}}
    off: |
      off
    in_force_within: 2s
"""


def entry(folder: Path, more: str = "") -> str:
    return ENTRY.format(folder=folder) + more


def says(folder: Path) -> str:
    return (folder / "theirs.conf").read_text()


def status(running: Host, service: str) -> Status:
    eventually(lambda: running.statuses(f"service/{service}"))
    (found,) = running.statuses(f"service/{service}")
    return found


def test_workloads_share_a_profiler_and_each_status_says_so(
    host: StartHost, process: StartProcess, controller: FakeController, tmp_path: Path
) -> None:
    running = host("checkout", "cart", more=entry(tmp_path))
    process("checkout")
    process("cart")
    eventually(
        lambda: [len(running.statuses(f"service/{it}")) for it in ("checkout", "cart")] == [1, 1],
        within_s=15,
    )
    assert says(tmp_path) == "rate 19\n"
    controller.boost("service/checkout", hz=100, for_s=15)
    eventually(lambda: says(tmp_path) == "rate 100\n", within_s=30)
    eventually(lambda: says(tmp_path) == "rate 19\n", within_s=30)
    assert running.kind.made == [], "nothing else profiles them"


def test_a_status_says_what_the_whole_profiler_does(
    host: StartHost, process: StartProcess, controller: FakeController, tmp_path: Path
) -> None:
    running = host("checkout", "cart", more=entry(tmp_path))
    process("checkout")
    process("cart")
    controller.boost("service/checkout", hz=100, for_s=60)
    eventually(lambda: says(tmp_path) == "rate 100\n", within_s=30)

    eventually(lambda: len(running.statuses("service/cart")) == 1, within_s=30)
    controller.boost("service/cart", hz=20, for_s=60)  # so that there is a new status
    eventually(lambda: "shared by checkout (100 Hz)" in status(running, "cart").driver, within_s=30)
    cart = status(running, "cart")
    assert cart.driver.startswith("theirs: ")
    assert cart.profiler == f"worker-3:{tmp_path}/theirs.conf"
    assert status(running, "checkout").profiler == cart.profiler
    assert cart.applied is not None
    assert cart.applied.profiles["cpu"].achieved_hz in (19.0, 100.0)
    controller.add("fleet", "cap", hz=0, for_s=60)
    eventually(lambda: says(tmp_path) == "off\n", within_s=30)


def test_without_a_workload_it_runs_at_the_nodes_frequency_and_the_kill_switch_reaches_it(
    host: StartHost, controller: FakeController, tmp_path: Path
) -> None:
    running = host(more=entry(tmp_path).replace("files:", "  []\nfiles:"))
    eventually(lambda: (tmp_path / "theirs.conf").exists(), within_s=30)
    eventually(lambda: len(running.statuses("node/worker-3")) == 1, within_s=30)
    controller.boost("node/worker-3", hz=49, for_s=60)
    eventually(lambda: says(tmp_path) == "rate 49\n", within_s=30)
    controller.add("fleet", "cap", hz=0, for_s=60)
    eventually(lambda: says(tmp_path) == "off\n", within_s=30)
    running.stop()
    assert says(tmp_path) == "rate 19\n", "back at the baseline when the agent has ended"


def test_a_file_that_cannot_be_driven_gives_way_to_the_next_method(
    host: StartHost, process: StartProcess, tmp_path: Path
) -> None:
    (tmp_path / "theirs.conf").write_text("somebody else's\n")
    more = entry(tmp_path, "    process: {pid_file: /nowhere/at/all.pid}\n")
    running = host("checkout", more=more)
    process("checkout")
    running.until(checkout=[19])
    assert status(running, "checkout").driver == "remembering (not theirs: it does not run here)"
    assert says(tmp_path) == "somebody else's\n"
