"""The profiler that reads the file: its process, how it is checked, told, and found to be well.

What is run and asked comes from agent.yaml. Commands are lists of arguments, and get the host
agent's own environment, since a configuration may refer to it.
"""

from __future__ import annotations

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from math import inf
from pathlib import Path

from upshift_host.config.files import FILE, ProcessEntry
from upshift_host.discovery.cgroups import place
from upshift_host.discovery.procfs import Procfs
from upshift_host.drivers.child import Child
from upshift_host.drivers.child import why_not as why_no_child
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.drivers.watching import TICKS, alive
from upshift_host.said import describe
from upshift_host.workload import Process

from .setup import Setup

CHECK_S = 30.0
COMMAND_S = 10.0
HTTP_S = 3.0
#: How long one that a command has started may take to be there.
APPEAR_S = 5.0
LOOK_S = 0.1
LOOK_AGAIN_S = 1.0
#: How old a process must be to be sent a signal.
GROWN_S = 2.0


class Profiler:
    """Of one entry of `files:`. For one thread at a time, but for `process` and `why_not`."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._process = setup.process
        self._reload = setup.reload
        self._procfs = Procfs()
        self._seen: Process | None = None
        self._looked_at = -inf

    @property
    def has_process(self) -> bool:
        """Whether it can be told if it runs."""
        return self._process is not None

    def process(self) -> Process | None:
        """Its process; None if none runs."""
        return None if self._process is None else find(self._procfs, self._process)

    def why_not(self) -> str | None:
        """Why it cannot be driven, None where it can."""
        entry = self._setup.entry
        for command in (entry.check, self._command(), entry.start):
            if command and (lacking := why_no_child(command[0])):
                return lacking
        if self.has_process and not self._runs():
            return "it does not run here"
        return None

    def _runs(self) -> bool:
        """As `process`, which reads all of /proc, for whoever asks on behalf of many workloads."""
        now = time.monotonic()
        if (self._seen is None or not alive(self._seen)) and now >= self._looked_at + LOOK_AGAIN_S:
            self._looked_at, self._seen = now, self.process()
        return self._seen is not None and alive(self._seen)

    def check(self, file: Path) -> None:
        """Raise `ProfilerFailed` with what the check says of this file."""
        check = self._setup.entry.check
        if check is not None:
            _run([it.replace(FILE, str(file)) for it in check], CHECK_S)

    def reload(self, process: Process | None) -> Process | None:
        """Have it read its file again. Return its process, another one where it was restarted.

        Raise `ProfilerFailed` if it does not take that.
        """
        command = self._command()
        if command is not None:
            _run(command, COMMAND_S)
            return self._appears()
        if self._reload is not None and self._reload.signal is not None:
            if process is None:
                raise ProfilerFailed("it does not run")
            _let_grow(process)
            _send(process, signal.Signals[f"SIG{self._reload.signal}"])
        elif self._reload is not None and self._reload.http is not None:
            _ask("POST", self._reload.http)
        return process

    def start(self) -> None:
        """Start it by the command that there may be for it."""
        if self._setup.entry.start is not None:
            _run(self._setup.entry.start, COMMAND_S)

    def unwell(self) -> str | None:
        """Why its own check of health fails; None while it does not."""
        if self._setup.entry.healthy is None:
            return None
        try:
            _ask("GET", self._setup.entry.healthy)
        except ProfilerFailed as error:
            return str(error)
        return None

    def _command(self) -> Sequence[str] | None:
        if self._reload is None:
            return None
        if self._reload.unit is not None:
            return ["systemctl", "reload-or-restart", self._reload.unit]
        return self._reload.command

    def _appears(self) -> Process | None:
        deadline = time.monotonic() + APPEAR_S
        while (process := self.process()) is None and self.has_process:
            if time.monotonic() > deadline:
                raise ProfilerFailed("it does not run after its reload")
            time.sleep(LOOK_S)  # nobody tells when a process begins
        return process


def find(procfs: Procfs, entry: ProcessEntry) -> Process | None:
    """The process that an entry describes; of several the oldest, but never this one."""
    if entry.pid_file is not None:
        try:
            pids = [int(Path(entry.pid_file).read_text("ascii")[:20])]
        except (OSError, ValueError):
            pids = []
    else:
        pids = list(procfs.pids())
    found = []
    for pid in pids:
        if pid > 0 and pid != os.getpid() and _fits(procfs, entry, pid):
            stat = procfs.stat(pid)
            if stat is not None and not stat.ended:
                found.append(Process(pid, stat.start_ticks))
    return min(found, key=lambda it: (it.start_ticks, it.pid), default=None)


def _fits(procfs: Procfs, entry: ProcessEntry, pid: int) -> bool:
    if entry.command is not None:
        command = " ".join(procfs.command(pid))
        return bool(command) and entry.command(command)
    if entry.unit is not None:
        return place(procfs.cgroups(pid)).unit == entry.unit
    return True


def _let_grow(process: Process) -> None:
    """A program that has only just begun may not handle a signal yet, and would end of it."""
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - process.start_ticks / TICKS
    if age_s < GROWN_S:
        time.sleep(min(GROWN_S, GROWN_S - age_s))


def _send(process: Process, number: signal.Signals) -> None:
    """To this process, and to no other that has been given its pid since."""
    try:
        handle = os.pidfd_open(process.pid)
        try:
            if not alive(process):
                raise ProfilerFailed("it does not run")
            signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)
    except ProcessLookupError:
        raise ProfilerFailed("it does not run") from None
    except OSError as error:
        raise ProfilerFailed(f"cannot be sent {number.name}: {describe(error)}") from error


def _run(command: Sequence[str], within_s: float) -> None:
    """Raise `ProfilerFailed` if it cannot be run, fails or hangs; it is killed then."""
    child = Child(command[0], command[1:], environment=os.environ)
    try:
        if child.finish(within_s) != 0:
            raise ProfilerFailed(child.failure())
    finally:
        child.close()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """A profiler answers by itself."""


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())


def _ask(method: str, url: str) -> None:
    request = urllib.request.Request(url, method=method)  # noqa: S310  # http(s) only: see `HttpUrl`
    try:
        with _opener.open(request, timeout=HTTP_S):
            return
    except urllib.error.HTTPError as error:
        said = " ".join(error.read(300).decode("utf-8", "replace").split())
        raise ProfilerFailed(f"{url} answers {error.code} {said}".rstrip()) from error
    except Exception as error:  # whatever a network does
        raise ProfilerFailed(f"{url}: {describe(error)}") from error
