"""A host agent of one driver: `agent.py KIND PID START_TICKS HZ`. Says `applied`, then stays."""

import sys
import time

from upshift_agent import Decision
from upshift_host.drivers.kinds import KINDS
from upshift_host.profiles.window import Window
from upshift_host.workload import Process, Workload


class Nowhere:
    def send(self, window: Window) -> None:
        pass


def main(kind: str, pid: str, start_ticks: str, hz: str) -> None:
    workload = Workload(
        attributes={"service.name": "busy"},
        language="native",
        processes=(Process(int(pid), int(start_ticks)),),
    )
    driver = KINDS[kind].make(workload, Nowhere())
    print("begins", flush=True)  # noqa: T201  # whoever started it waits for that
    driver.apply(
        {
            profile: Decision(hz=int(hz) if profile == "cpu" else 0)
            for profile in KINDS[kind].profiles
        }
    )
    print("applied", flush=True)  # noqa: T201
    time.sleep(1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
