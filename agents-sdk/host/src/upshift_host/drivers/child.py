"""Child processes that end when we do, whatever happens to either.

Rules for whoever changes this:
- A child is a process group of its own, so that what it starts ends with it.
- It gets PR_SET_PDEATHSIG, by `setpriv`, and not by a `preexec_fn`: no Python runs between fork and
  exec, where another thread's lock may be held and the SDK would begin its agents anew.
- The kernel sends that signal when the *thread* that forked ends. So one thread forks them all, and
  ends with the process.
- A program with file capabilities loses the setting at its exec. So each is also told its own end,
  15 s at the latest.
- Output goes to memory or a pipe. A full disk is nobody's concern, and no file is left behind.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress

from .errors import ProfilerFailed

#: From util-linux, 2.33 or newer.
SETPRIV = "setpriv"
#: A child that was sent SIGKILL and has not ended is in the kernel's hands.
KILLED_S = 2.0
#: How often whoever waits for one looks: some windows begin at that moment.
LOOK_S = 0.02
MAX_SAID = 8 * 1024  # bytes kept of what a child says
MAX_OUTPUT = 64 * 1024 * 1024  # bytes read of what it wrote
#: A status has room for one line.
MAX_REASON = 300  # characters


def why_not(program: str) -> str | None:
    """Why `program` cannot be run as a child, in one line; None where it can."""
    if shutil.which(program) is None:
        return f"{program} is not on the PATH"
    if shutil.which(SETPRIV) is None:
        return f"{SETPRIV} (of util-linux) is not on the PATH: by it {program} ends when we do"
    return None


class Child:
    """A running program. For one thread at a time, but for `kill`."""

    def __init__(
        self,
        program: str,
        arguments: Sequence[str],
        *,
        output: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it. arguments: may hold `{output}`, the path of what `output()` returns.

        output: standard output goes to memory too. Raise `ProfilerFailed` if it cannot be started.
        """
        if lacking := why_not(program):
            raise ProfilerFailed(lacking)
        self.program = program
        self._output = os.memfd_create(f"upshift-{program}", os.MFD_CLOEXEC)
        said, self._says = -1, -1
        try:
            said, self._says = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(said, False)
            path = f"/proc/self/fd/{self._output}"
            command = [
                str(shutil.which(SETPRIV)),
                *("--pdeathsig", "KILL", "--"),
                str(shutil.which(program)),
                *(argument.replace("{output}", path) for argument in arguments),
            ]
            self._process = _spawned(
                lambda: subprocess.Popen(  # noqa: S603  # no shell; see the package's docstring
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=self._output if output else self._says,
                    stderr=self._says,
                    pass_fds=(self._output,),
                    process_group=0,
                    cwd="/",
                    env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
                    | dict(environment or {}),
                    umask=0o077,
                )
            )
        except OSError as error:
            os.close(self._output)
            if said >= 0:
                os.close(said)
            raise ProfilerFailed(f"{program} cannot be started: {error}") from error
        finally:
            if self._says >= 0:
                os.close(self._says)
        self._pipe = said
        self._said = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        """What it has said so far; of much the end."""
        with suppress(BlockingIOError):
            while more := os.read(self._pipe, MAX_SAID):
                self._said = (self._said + more)[-MAX_SAID:]
        return self._said.decode("utf-8", "replace")

    def reason(self) -> str:
        """The last thing that it called an error, else the last that it said, in one line."""
        lines = [line.strip() for line in self.said().splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")]
        return (errors or lines)[-1][:MAX_REASON] if lines else "it said nothing"

    def failure(self) -> str:
        """Why it ended as it did, in a sentence."""
        code = self._process.returncode
        if code is not None and code < 0:
            return f"{self.program} was ended by {signal.Signals(-code).name}"
        return f"{self.program} failed: {self.reason()}"

    def output(self) -> str:
        """What it has written so far."""
        size = min(os.fstat(self._output).st_size, MAX_OUTPUT)
        return os.pread(self._output, size, 0).decode("utf-8", "replace")

    def written_s(self) -> float:
        """When it last wrote output, in Unix time."""
        return os.fstat(self._output).st_mtime

    def wait_for(self, ready: Callable[[Child], bool], within_s: float) -> None:
        """Wait until `ready`. Raise `ProfilerFailed` if it ends before, or is not within the time;
        then it is killed."""
        deadline = time.monotonic() + within_s
        while not self.begun(ready, deadline, within_s):
            time.sleep(LOOK_S)

    def begun(self, ready: Callable[[Child], bool], deadline: float, within_s: float) -> bool:
        """Whether it is ready by now; for whoever waits for several. Raises as `wait_for` does.

        deadline: of `time.monotonic`; it is `within_s` after the start.
        """
        ended = self.ended()
        if ready(self):
            return True
        if not ended and time.monotonic() <= deadline:
            return False
        reason = self.reason()
        self.close()
        late = "" if ended else f" in {within_s:g} s"
        raise ProfilerFailed(f"{self.program} did not start{late}: {reason}")

    def ended(self) -> bool:
        """Whether it has ended; also takes what it said, so that it never waits for us."""
        over = self._process.poll() is not None
        self.said()
        return over

    def interrupt(self) -> None:
        """Ask it to finish, as Ctrl-C does."""
        self._signal(signal.SIGINT)

    def finish(self, within_s: float) -> int:
        """Wait for its end and return its exit code. Raise `ProfilerFailed` for one that hangs; it
        is killed."""
        deadline = time.monotonic() + within_s
        while not self.ended():
            if time.monotonic() > deadline:
                self.kill()
                raise ProfilerFailed(
                    f"{self.program} had not ended {within_s:g} s after it was told to; killed"
                )
            time.sleep(0.01)
        return self._process.returncode

    def kill(self) -> None:
        """End it and what it started, at once."""
        self._signal(signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILLED_S)

    def close(self) -> None:
        """Kill it if it runs, and give back what it held. Nothing else works afterwards."""
        if self._pipe < 0:
            return
        self.kill()
        os.close(self._pipe)
        os.close(self._output)
        self._pipe = self._output = -1

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


class _Spawner:
    """The thread that forks: it lives until the process ends."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[
            tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]
        ] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="upshift-spawner", daemon=True).start()

    def spawn(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        made: Future[subprocess.Popen[bytes]] = Future()
        self._asked.put((start, made))
        return made.result()

    def _run(self) -> None:
        while True:
            start, made = self._asked.get()
            try:
                made.set_result(start())
            except BaseException as error:  # noqa: BLE001  # whoever asked is told
                made.set_exception(error)


_spawner: _Spawner | None = None
_making = threading.Lock()


def _spawned(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    global _spawner
    with _making:
        if _spawner is None:
            _spawner = _Spawner()
    return _spawner.spawn(start)
