"""A busy application that embeds the SDK the way a user would, and keeps account of its time.

    python busy.py PYROSCOPE_URL LEDGER

The rest comes from the environment, as `Agent.from_env` reads it. Each line of the ledger: Unix
seconds, CPU seconds of the busy thread, and seconds that it waited for a CPU.
"""

import os
import signal
import sys
import time
from pathlib import Path

from upshift_agent import Agent
from upshift_agent.drivers.pyroscope import PyroscopeDriver

SCHEDSTAT = Path(f"/proc/self/task/{os.getpid()}/schedstat")


def spend() -> int:
    """Some 30 ms of CPU time, in one frame: a stack that changes under the profiler's eyes is a
    sample lost, and so is a moment without the GIL, which the ledger gives away."""
    total = 0
    for number in range(500_000):
        total += number * number
    return total


def entry() -> str:
    """One line of the ledger."""
    cpu_ns, waited_ns, _ = SCHEDSTAT.read_text().split()
    return f"{time.time():.6f} {int(cpu_ns) / 1e9:.6f} {int(waited_ns) / 1e9:.6f}\n"


def main(server_address: str, ledger: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    driver = PyroscopeDriver(server_address=server_address, upload_interval=3)
    with Path(ledger).open("w", buffering=1) as lines:
        lines.write(entry())
        with Agent.from_env(driver=driver):
            while True:
                spend()
                lines.write(entry())


if __name__ == "__main__":
    main(*sys.argv[1:])
