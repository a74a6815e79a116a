"""Busy processes of tests: real ones, that know nothing of Upshift."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from upshift_host.workload import Language, Process, Workload

BUSY = Path(__file__).parent / "busy"


@contextmanager
def running(
    command: Sequence[str | Path],
    language: Language,
    cwd: Path | None = None,
    **attributes: str,
) -> Iterator[Workload]:
    """Start it, wait until it says that it is busy, and end it afterwards."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=cwd) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == b"busy\n", line
            yield Workload(
                attributes={"service.name": f"busy-{language}", **attributes},
                language=language,
                processes=(identified(process.pid),),
            )
        finally:
            process.kill()


def identified(pid: int) -> Process:
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Process(pid, int(stat[19]))


def exists(pid: int) -> bool:
    """Whether a process runs: a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def below(pid: int) -> list[Process]:
    """The children of a process."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [identified(int(child)) for child in children.split()]


def named(program: str, network: str = "") -> set[int]:
    """The processes that run a program of this name, whoever's they are, in one network: in ours,
    unless another is named, as its link in /proc is."""
    network = network or os.readlink("/proc/self/ns/net")
    return {
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if _runs(folder, program, network) and exists(int(folder.name))
    }


def _runs(folder: Path, program: str, network: str) -> bool:
    try:
        called = (folder / "comm").read_text().strip()
        return called == program[:15] and os.readlink(folder / "ns/net") == network
    except OSError:
        return False


def busy_python(sleepers: int = 0) -> list[str | Path]:
    return [sys.executable, "-I", "-S", BUSY / "busy.py", str(sleepers)]


def compiled_c(folder: Path, compiler: str = "cc", *options: str) -> Path:
    """The busy C program, with frame pointers, which eBPF walks by."""
    program = folder / "busy-c"
    if not program.exists():
        options = ("-O1", "-fno-omit-frame-pointer", *options)
        subprocess.run([compiler, *options, "-o", program, BUSY / "busy.c"], check=True)
    return program


def compiled_java(folder: Path, javac: str = "javac") -> Path:
    """The folder of the busy Java programs' classes, for any JVM from 17 on."""
    if not (folder / "Busy.class").exists():
        sources = sorted(BUSY.glob("*.java"))
        subprocess.run([javac, "--release", "17", "-d", folder, *sources], check=True)
    return folder
