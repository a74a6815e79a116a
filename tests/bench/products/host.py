"""A host agent whose workloads are not profiled: its baseline is 0, and nobody plans anything.

python host.py REDIS_URL HOW_MANY PREFIX
"""

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
baseline: 0
pyroscope: {{url: 'http://127.0.0.1:1'}}
workloads:
  - {{service: never, command: no such command}}
select: ['service_name=~"{prefix}-.*"']
"""


def main(url: str, how_many: int, prefix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "agent.yaml")
        path.write_text(CONFIG.format(url=url, prefix=prefix))
        configuration = load(path)
    agent = HostAgent(configuration, KINDS, exporter_of(configuration))

    def watch() -> None:
        while agent.serves < how_many:
            threading.Event().wait(0.05)
        print("ready")

    threading.Thread(target=watch, daemon=True).start()
    agent.run(threading.Event())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
