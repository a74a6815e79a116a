"""Agents in processes of their own (`agent_process`), and what their drivers were told when."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from servers import eventually

from .languages import program as program_of


@dataclass(frozen=True)
class Call:
    """A driver was called: `at_s` of the monotonic clock, Hz, and the lease that decided."""

    instance: str
    at_s: float
    hz: int
    lease: str | None


@dataclass
class Agents:
    """A process with agents; `calls` is all that their drivers were told so far."""

    process: subprocess.Popen[bytes]
    output: Path
    instances: list[str]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def calls(self) -> list[Call]:
        return [Call(**json.loads(line)) for line in self.output.read_text().splitlines()]

    def of(self, instance: str) -> list[Call]:
        return [call for call in self.calls if call.instance == instance]

    def hz(self) -> dict[str, int]:
        """What each agent's driver was told last."""
        return {call.instance: call.hz for call in self.calls}

    def all_at(self, hz: int) -> bool:
        now = self.hz()
        return all(now.get(instance) == hz for instance in self.instances)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def agents(
    folder: Path,
    redis_url: str,
    *instances: str,
    service: str = "checkout",
    command: tuple[str, ...] = (),
    program: tuple[str, ...] | None = None,
    **environment: str,
) -> Iterator[Agents]:
    """Start agents called `instances` in one process, and wait until they run at their baseline.

    command: put before all, such as an `unshare`. program: of Python, takes the same arguments as
    an `agent` of any language (`languages`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / f"{'-'.join(instances)[:60]}.jsonl"
    output.touch()
    started_by = program_of("agent") if program is None else (sys.executable, *program)
    with output.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *started_by, redis_url, service, str(output), *instances],
            stderr=log,
            cwd=Path(__file__).parents[2],
            env=os.environ | environment,
        )
    started = Agents(process, output, list(instances), environment)
    try:
        eventually(lambda: set(started.hz()) == set(instances), within_s=30)
        yield started
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
