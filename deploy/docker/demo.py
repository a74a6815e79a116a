"""A service that is busy for a while now and then, profiled by pyroscope-io at Upshift's frequency.

It tells Prometheus of its CPU time, on port 8000.
"""

import os
import time
from pathlib import Path

from prometheus_client import start_http_server

from upshift_agent import Agent
from upshift_agent.drivers.pyroscope import PyroscopeDriver

CALM, BUSY = 0.05, 0.9  # of a core
#: How soon it is busy for the first time.
FIRST_S = 20.0


def share(since_start_s: float, busy_s: float, every_s: float) -> float:
    """How much of a core it wants to use at this time."""
    at_s = since_start_s - FIRST_S
    return BUSY if at_s >= 0 and at_s % every_s < busy_s else CALM


def work(seconds: float) -> None:
    """Use so much CPU time."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        sum(number * number for number in range(1_000))


def main() -> None:
    busy_s, _, every_s = os.environ.get("BUSY", "90 of 300").partition(" of ")
    start_http_server(8000)
    driver = PyroscopeDriver(
        server_address=os.environ.get("PYROSCOPE_URL", "http://pyroscope:4040")
    )
    if file := os.environ.get("UPSHIFT_REDIS_URL_FILE"):  # so that no password is in `inspect`
        os.environ["UPSHIFT_REDIS_URL"] = Path(file).read_text().strip()
    began = time.monotonic()
    with Agent.from_env(driver=driver):
        while True:
            step_s = time.monotonic()
            work(0.1 * share(step_s - began, float(busy_s), float(every_s)))
            time.sleep(max(0.0, step_s + 0.1 - time.monotonic()))


if __name__ == "__main__":
    main()
