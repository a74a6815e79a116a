"""The demo's processes that embed the SDK: `python -m upshift_controller.demo.worker busy|probe`.

All that they need comes from the environment, as `Agent.from_env` reads it. Both tell on standard
output what the demo wants to know, and end when nobody listens there any more.

busy PYROSCOPE_URL UPLOAD_S: an application at work, under a real profiler. Each line: Unix
seconds, CPU seconds of the busy thread, seconds that it waited for a CPU.
probe: the lightest driver there is. Each line: when it was called, in nanoseconds of the monotonic
clock, which all processes of a machine share; and with which frequency.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

from upshift_agent import Agent, Decision
from upshift_agent.drivers.pyroscope import PyroscopeDriver


def busy(out: TextIO, pyroscope_url: str, upload_s: str) -> None:
    driver = PyroscopeDriver(server_address=pyroscope_url, upload_interval=int(upload_s))
    print(account(), file=out)
    with Agent.from_env(driver=driver):
        os.nice(19)  # on Linux this thread's alone: agent and profiler keep their priority
        while True:
            print(account(), file=out)
            work()


def work() -> int:
    """Some 30 ms of CPU time, in one frame: the profiler does not stop the thread to look at it,
    and loses a sample where the stack moves meanwhile."""
    total = 0
    for number in range(500_000):
        total += number * number
    return total


def account() -> str:
    schedstat = Path(f"/proc/self/task/{os.getpid()}/schedstat")
    if not schedstat.exists():  # not Linux: there is no telling how long it waited
        return f"{time.time():.6f} {time.thread_time():.6f} 0"
    cpu_ns, waited_ns, _ = schedstat.read_text().split()
    return f"{time.time():.6f} {int(cpu_ns) / 1e9:.6f} {int(waited_ns) / 1e9:.6f}"


def probe(out: TextIO) -> None:
    def driver(decision: Decision) -> None:
        now_ns = time.monotonic_ns()
        print(now_ns, decision.hz, file=out)

    with Agent.from_env(driver=driver):
        sys.stdin.read()  # until the demo is gone


def main(role: str, *arguments: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper
    try:
        if role == "busy":
            busy(sys.stdout, *arguments)
        else:
            probe(sys.stdout)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit


if __name__ == "__main__":
    main(*sys.argv[1:])
