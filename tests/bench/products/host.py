"""A host agent whose workloads run at one frequency, and nobody plans anything; 0 Hz: not profiled.

python host.py REDIS_URL HOW_MANY PREFIX [HZ PYROSCOPE_URL]
"""

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from upshift_host.cli.run import exporter_of
from upshift_host.config import load
from upshift_host.drivers.kinds import KINDS
from upshift_host.running.host import HostAgent

CONFIG = """
redis: {url}
namespace: bench-host  # where no controller is
baseline: {hz}
pyroscope: {{url: '{backend}'}}
workloads:
  - {{service: never, command: no such command}}
select: ['service_name=~"{prefix}-.*"']
"""
#: A profiler for each workload, which is more work than one for all.
EACH = "fallback_strategy: [{method: push, priority: 1}]\n"


def main(
    url: str, how_many: int, prefix: str, hz: int = 0, backend: str = "http://127.0.0.1:1"
) -> None:
    # What came with these packages: py-spy.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "agent.yaml")
        text = CONFIG.format(url=url, prefix=prefix, hz=hz, backend=backend)
        path.write_text(text + (EACH if hz else ""))
        configuration = load(path)
    agent = HostAgent(configuration, KINDS, exporter_of(configuration))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def watch() -> None:
        while agent.serves < how_many:
            threading.Event().wait(0.05)
        print("ready")

    threading.Thread(target=watch, daemon=True).start()
    agent.run(stop)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:5]), *sys.argv[5:])
