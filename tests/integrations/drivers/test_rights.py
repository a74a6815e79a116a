"""Each driver works with the rights that its page says it needs, and says which one it lacks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host.drivers.attached import AGENT, programs
from host.drivers.jfr.jdks import JAVAS
from host.processes import BUSY, compiled_c, compiled_java, running
from parts import program
from upshift_host.workload import Workload

__all__ = ["programs"]

pytestmark = [
    pytest.mark.servers("bpftrace", "cc", "javac", "root, for networks of its own"),
    pytest.mark.usefixtures("programs"),
]

#: What DRIVERS.md says of processes of other users.
NEEDS = {
    "py-spy": {"sys_ptrace"},
    "bpftrace": {"bpf", "perfmon", "sys_ptrace"},
    "jfr": {"sys_ptrace", "kill", "dac_override", "fowner"},
    f"async-profiler={program('async-profiler')}": {
        *("sys_ptrace", "kill", "dac_override", "fowner")
    },
}
JVMS = ("jfr", "async-profiler")
NOBODY = 65534
AS_NOBODY = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
#: This Python may be in a folder that nobody else may enter.
BECOMES_NOBODY = (
    "import os, pkgutil, runpy, sys, threading;"
    "os.setgroups([]); os.setgid(65534); os.setuid(65534);"
    "runpy.run_path(sys.argv.pop(1), run_name='__main__')"
)


@contextmanager
def busy(kind: str, folder: Path) -> Iterator[Workload]:
    """A busy process of another user, that the driver is for."""
    folder.chmod(0o755)
    if kind == "py-spy":
        command = [sys.executable, "-I", "-S", "-c", BECOMES_NOBODY, BUSY / "busy.py"]
        with running(command, "python") as workload:
            yield workload
    elif kind.startswith(JVMS):
        compiled_java(folder)
        command = [*AS_NOBODY, JAVAS[min(JAVAS)], "-Xmx64m", "-cp", "/proc/self/cwd", "Busy"]
        with running(command, "java", cwd=folder) as workload:
            yield workload
    else:
        compiled_c(folder)
        with running([*AS_NOBODY, "/proc/self/cwd/busy-c"], "native", cwd=folder) as workload:
            yield workload


def applied(kind: str, workload: Workload, rights: set[str]) -> tuple[bool, str]:
    """Whether an agent with these rights and no others could, and what it said if not."""
    (process,) = workload.processes
    only = ",".join(["-all", *(f"+{right}" for right in sorted(rights))])
    command = ["setpriv", "--bounding-set", only, "--inh-caps", "-all", sys.executable, AGENT]
    arguments = [kind, str(process.pid), str(process.start_ticks), "100"]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as agent:
        try:
            assert agent.stdout is not None
            assert agent.stderr is not None
            lines = [agent.stdout.readline(), agent.stdout.readline()]
            if lines[1] == "applied\n":
                return True, ""
            return False, agent.stderr.read()
        finally:
            agent.kill()


@pytest.mark.parametrize("kind", sorted(NEEDS))
def test_a_driver_works_with_the_rights_that_it_needs(kind: str, tmp_path: Path) -> None:
    with busy(kind, tmp_path) as workload:
        assert applied(kind, workload, NEEDS[kind]) == (True, "")


@pytest.mark.parametrize(
    ("kind", "lacks", "said"),
    [
        ("py-spy", "sys_ptrace", "py-spy did not start: "),
        ("bpftrace", "bpf", "bpftrace did not start: "),
        ("bpftrace", "perfmon", "bpftrace did not start: "),
        ("jfr", "sys_ptrace", "cannot be reached: "),
        ("jfr", "kill", "cannot be attached to: "),
        ("jfr", "dac_override", "cannot be attached to: "),
    ],
)
def test_without_one_of_them_it_says_so(kind: str, lacks: str, said: str, tmp_path: Path) -> None:
    with busy(kind, tmp_path) as workload:
        could, why = applied(kind, workload, NEEDS[kind] - {lacks})
        assert not could
        assert said in why
