"""The OpAMP supervisor and its collector, the real ones, which are built once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from parts import program
from servers import Server, free_port

#: What a user has: his pipeline is his own. The collector at hand has no profiler in it, so the
#: number that is set is another component's.
USERS = """\
receivers:
  otlp:
    protocols: {grpc: {endpoint: "127.0.0.1:%d"}}
processors:
  batch:
    send_batch_max_size: %d
exporters:
  nop:
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [nop]}
"""
#: What the bridge is told of it.
TEMPLATE = """\
  template: |
    processors:
      batch:
        send_batch_size: {hz}
"""


@dataclass
class Supervisor(Server):
    """It says what the collector runs with in `effective.yaml`."""

    folder: Path = field(default_factory=Path)

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    @property
    def settings(self) -> Path:
        return self.folder / "supervisor.yaml"

    def effective(self) -> int | None:
        """The number that the collector is told by its supervisor."""
        path = self.storage / "effective.yaml"
        text = path.read_text() if path.exists() else ""
        found = re.search(r"send_batch_size: (\d+)", text)
        return int(found[1]) if found else None

    def collectors(self) -> list[int]:
        """Pids of collectors of it that run."""
        found = subprocess.run(
            ["pgrep", "-f", f"{program('otelcol-opamp')} --config {self.storage}"],
            capture_output=True,
            text=True,
        )
        return [int(it) for it in found.stdout.split()]

    def said(self) -> str:
        return self.log.read_text()

    def end(self) -> None:
        """And its collector, which outlives a killed one for a few seconds."""
        self.stop()
        for pid in self.collectors():
            os.kill(pid, signal.SIGKILL)


def supervisor(
    folder: Path, port: int, service: str = "checkout", most: int = 1000, hup: bool = True
) -> Supervisor:
    """Not started. port: of the bridge. most: the number above which its collector is ended."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "storage").mkdir(exist_ok=True)
    (folder / "users.yaml").write_text(USERS % (free_port(), most))
    (folder / "supervisor.yaml").write_text(f"""\
server: {{endpoint: "ws://127.0.0.1:{port}/v1/opamp"}}
capabilities:
  accepts_remote_config: true
  reports_effective_config: true
  reports_remote_config: true
  reports_health: true
  reports_own_metrics: false
agent:
  executable: {program("otelcol-opamp")}
  use_hup_config_reload: {str(hup).lower()}
  config_files: [{folder}/users.yaml]
  description:
    identifying_attributes: {{service.name: {service}}}
    non_identifying_attributes: {{host.name: worker-3}}
storage: {{directory: {folder}/storage}}
telemetry: {{logs: {{level: debug}}}}
""")
    command = [str(program("opampsupervisor")), "--config", str(folder / "supervisor.yaml")]
    return Supervisor(command, 0, folder / "supervisor.log", folder=folder)
