"""A host agent of one driver: `agent.py KIND PID START_TICKS HZ`. Says `applied`, then stays.

KIND: a driver's name, or `async-profiler=LIBRARY`.
"""

import sys
import time
from pathlib import Path

from upshift_agent import Decision
from upshift_host.drivers.async_profiler.profiling import AsyncProfilerDriver
from upshift_host.drivers.kinds import KINDS, Attached
from upshift_host.profiles.window import Window
from upshift_host.workload import Process, Workload


class Nowhere:
    def send(self, window: Window) -> None:
        pass


def made(kind: str, workload: Workload) -> Attached:
    _, _, library = kind.partition("=")
    if library:
        return AsyncProfilerDriver(Path(library), workload, Nowhere())
    return KINDS[kind].make(workload, Nowhere())


def main(kind: str, pid: str, start_ticks: str, hz: str) -> None:
    workload = Workload(
        attributes={"service.name": "busy"},
        language="native",
        processes=(Process(int(pid), int(start_ticks)),),
    )
    driver = made(kind, workload)
    print("begins", flush=True)  # noqa: T201  # whoever started it waits for that
    driver.apply(
        {profile: Decision(hz=int(hz) if profile == "cpu" else 0) for profile in driver.profiles}
    )
    print("applied", flush=True)  # noqa: T201
    time.sleep(1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
