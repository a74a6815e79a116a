"""Processes that the demo starts, and ends again whatever happens. Each logs to a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from .errors import DemoFailed

#: How long a process may take to end by itself before it is killed.
GRACE_S = 5.0
#: What of our own environment is not for them: settings of another agent, controller or profiler.
_OURS = ("UPSHIFT_", "OTEL_", "PYROSCOPE_")


class Child:
    """A running process. `log`: what it said on standard error."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raise `DemoFailed` if it has ended, with its last words."""
        if self.ended is not None:
            raise DemoFailed(f"{self.name} ended with {self.ended}; {self.last_words()}")

    @property
    def ended(self) -> int | None:
        return self._process.returncode

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "its last words:\n" + "\n".join(lines[-10:]) if lines else "it said nothing"

    async def stop(self) -> None:
        """Ask it to end; make it, after `GRACE_S`."""
        if self.ended is None:
            self._signal(self._process.terminate)
            try:
                await asyncio.wait_for(self._process.wait(), GRACE_S)
            except TimeoutError:
                self._signal(self._process.kill)
                await self._process.wait()

    def _signal(self, send: Callable[[], None]) -> None:
        with contextlib.suppress(ProcessLookupError):
            send()


@asynccontextmanager
async def child(
    name: str,
    command: list[str],
    folder: Path,
    *,
    hear: Callable[[str], None] | None = None,
    **environment: str,
) -> AsyncIterator[Child]:
    """Run `command` for as long as the context lasts. `hear` is called with each line it prints."""
    log = folder / f"{name}.log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.PIPE,  # its end tells a child that we are gone
            stdout=subprocess.DEVNULL if hear is None else subprocess.PIPE,
            stderr=stderr,
            cwd=folder,
            env=surroundings(os.environ) | environment,
            start_new_session=True,  # a Ctrl-C at the demo is the demo's to hand on
        )
    running = Child(name, process, log)
    listening = None if hear is None else asyncio.create_task(_listen(process, hear))
    try:
        yield running
    finally:
        await running.stop()
        if listening is not None:
            await listening


async def _listen(process: asyncio.subprocess.Process, hear: Callable[[str], None]) -> None:
    assert process.stdout is not None  # noqa: S101  # we asked for it
    async for line in process.stdout:
        hear(line.decode())


def surroundings(ours: Mapping[str, str]) -> dict[str, str]:
    """Our environment, without what is meant for others, and with no proxy before loopback."""
    kept = {name: value for name, value in ours.items() if not name.startswith(_OURS)}
    return kept | dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
