"""The OpenTelemetry Collector with its eBPF profiler, which is built once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from parts import program
from servers import eventually

GATES = "--feature-gates=service.profilesSupport,service.partialReload"
#: Its programs need not load: that its receiver is told, and survives that, shows all the same.
USERS = """\
# Ours since 2021; ask Ann before you touch it.
receivers:
  profiling:
    error_mode: ignore      # on machines without BPF
    no_kernel_version_check: true
    samples_per_second: 20  # upshift
processors:
  batch: {timeout: 5s}      # as agreed
exporters:
  debug: {verbosity: basic}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    profiles:
      receivers: [profiling]
      exporters: [debug]
"""
#: As systemd's `Restart=always` would.
SUPERVISOR = """
import subprocess, sys, time
while True:
    subprocess.run(sys.argv[1:])
    time.sleep(0.2)
"""


@dataclass
class Collector:
    """configs: in the order in which they are merged."""

    folder: Path
    configs: tuple[Path, ...]
    process: subprocess.Popen[bytes]

    def log(self) -> str:
        return (self.folder / "collector.log").read_text()

    def starts(self) -> int:
        """How often it has begun to serve, reloads among it."""
        return self.log().count("Everything is ready")

    def reloads(self) -> int:
        """How often it has restarted its receiver alone."""
        return self.log().count("Partial receiver reload completed successfully")

    def alive(self) -> bool:
        return self.process.poll() is None


def check(*configs: Path | str) -> list[str]:
    return [str(program("otelcol")), "validate", GATES, *(f"--config={it}" for it in configs)]


@contextmanager
def collecting(folder: Path, *configs: Path, supervised: bool = False) -> Iterator[Collector]:
    command = [str(program("otelcol")), GATES, *(f"--config={it}" for it in configs)]
    if supervised:
        command = [sys.executable, "-c", SUPERVISOR, *command]
    with (folder / "collector.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    made = Collector(folder, configs, process)
    try:
        eventually(lambda: made.starts() == 1, within_s=30)
        yield made
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
