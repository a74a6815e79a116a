"""Busy Python processes, each a service of its own, for as long as this one lives. Whoever else
wants a CPU comes before them.

python workers.py HOW_MANY PREFIX
"""

import os
import signal
import subprocess
import sys
import threading

from busy import stacks


def work() -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    threading.Thread(target=lambda: sys.stdin.read() or os._exit(0), daemon=True).start()
    chains = stacks(count=50, depth=25)
    while True:
        for chain in chains:
            chain(20_000)


def main(how_many: int, prefix: str) -> None:
    working = []
    for number in range(how_many):
        environ = {"OTEL_SERVICE_NAME": f"{prefix}-{number}"}
        command = [sys.executable, __file__]
        working.append(subprocess.Popen(command, stdin=subprocess.PIPE, env=environ))

    def end(*_: object) -> None:
        for process in working:
            process.kill()
        for process in working:
            process.wait()  # so that what they used is known to be ours
        sys.exit()

    signal.signal(signal.SIGTERM, end)
    print("ready")
    signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2]) if sys.argv[1:] else work()
