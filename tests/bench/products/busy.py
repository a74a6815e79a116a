"""A busy application with many stacks, profiled at one frequency; 0 Hz: not at all.

    python busy.py REDIS_URL PYROSCOPE_URL HZ

At each line on standard input it says: CPU milliseconds of all its threads but the busy one, of
the busy one, turns of the work done, and its resident memory in bytes.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

turns = 0


def stacks(count: int, depth: int) -> list[Callable[[int], int]]:
    """`count` chains of `depth` functions: as many different stacks, as an application has."""
    chains = []
    for chain in range(count):
        lines = [f"def chain{chain}_0(n): return sum(i * i for i in range(n))"]
        lines += [
            f"def chain{chain}_{level}(n): return chain{chain}_{level - 1}(n) + {level}"
            for level in range(1, depth)
        ]
        scope: dict[str, Callable[[int], int]] = {}
        exec("\n".join(lines), scope)
        chains.append(scope[f"chain{chain}_{depth - 1}"])
    return chains


def work() -> None:
    global turns
    chains = stacks(count=300, depth=25)
    while True:
        for chain in chains:
            chain(20_000)
            turns += 1


def cpu_ms(task: object) -> float:
    return int(Path(f"/proc/self/task/{task}/schedstat").read_text().split()[0]) / 1e6


def others(busy: int) -> float:
    total = 0.0
    for task in os.listdir("/proc/self/task"):
        # The one that answers here is the bench's, not the application's.
        if int(task) not in (busy, threading.get_native_id()):
            total += cpu_ms(task)
    return total


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main(redis_url: str, pyroscope_url: str, hz: int) -> None:
    if hz:
        from upshift_agent import Agent
        from upshift_agent.drivers.pyroscope import PyroscopeDriver

        driver = PyroscopeDriver(server_address=pyroscope_url)
        agent = Agent(redis_url=redis_url, service=f"busy-{hz}", driver=driver, baseline_hz=hz)
        agent.start()
        while not (agent.status and agent.status.state == "applied"):
            time.sleep(0.01)
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    print("ready")
    for _ in sys.stdin:
        busy = worker.native_id or 0
        print(others(busy), cpu_ms(busy), turns, resident())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
