"""What the real kernel says of real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers import NETWORKS, eventually
from upshift_host.discovery import sock_diag
from upshift_host.discovery.facts import read_facts
from upshift_host.discovery.languages import language_of
from upshift_host.discovery.procfs import Procfs

#: In a pid namespace of its own, where the kernel may be told which pid comes next.
REUSE = """
import subprocess
from upshift_host.discovery.procfs import Procfs
procfs = Procfs()
def begin():
    return subprocess.Popen(["sleep", "60"])
def end(process):
    process.kill()
    process.wait()
for _ in range(20):
    former = begin()
    number = procfs.pids()[former.pid]
    end(former)
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(former.pid - 1))
    again = begin()
    assert again.pid == former.pid
    assert procfs.pids()[again.pid] != number
    end(again)
print("told apart")
"""

LISTEN = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
input()
"""


def test_this_process_is_told_by_its_pid_and_its_start() -> None:
    facts = read_facts(Procfs(), os.getpid())
    assert facts is not None
    assert facts.parent == os.getppid()
    assert facts.inner_pid == os.getpid()
    assert Path(facts.exe) == Path(sys.executable).resolve()
    assert language_of(Procfs(), os.getpid(), facts.exe) == "python"


def test_a_process_that_is_not_there_has_no_facts() -> None:
    assert read_facts(Procfs(), 2**22 + 1) is None


@pytest.mark.servers("unshare", NETWORKS)
def test_a_pid_that_is_given_anew_has_another_number_in_the_list() -> None:
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", REUSE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("told apart\n", "")


@pytest.mark.servers("unshare", NETWORKS)
def test_a_process_in_another_pid_namespace_is_known_by_both_its_pids() -> None:
    command = ["unshare", "--pid", "--fork", "--kill-child", "sleep", "60"]
    with subprocess.Popen(command) as outer:
        try:
            procfs = Procfs()

            def inner() -> int | None:
                return next(
                    (
                        pid
                        for pid in procfs.pids()
                        if (stat := procfs.stat(pid)) and stat.parent == outer.pid
                    ),
                    None,
                )

            pid = eventually(inner)
            eventually(lambda: procfs.command(pid) == ("sleep", "60"))
            facts = read_facts(procfs, pid)
            assert facts is not None
            assert (facts.process.pid, facts.inner_pid) == (pid, 1)
        finally:
            outer.kill()


def test_a_listener_is_known_by_its_port() -> None:
    command = [sys.executable, "-c", LISTEN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            procfs = Procfs()
            inode = next(inode for it, inode in procfs.listeners(server.pid) if it == port)
            assert inode in procfs.sockets(server.pid)
            assert (port, inode) in set(sock_diag.listeners())
            assert inode not in procfs.sockets(os.getpid())
        finally:
            server.kill()
