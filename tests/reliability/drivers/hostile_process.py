"""A process with agents whose drivers are hostile, each called by what it does, as is its log.

An agent called `stopped and started` is just that, again and again; its driver is slow. Beside each
call it writes, into a file of their own, when its driver was entered and left.
"""

import json
import logging
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import upshift_agent

from .hostile import RAISED, RETURNED, Hostile, OneAtATime, handler

STOPPED = "stopped and started"


def main(redis_url: str, service: str, output: str, *instances: str) -> None:
    lines = open(output, "a", buffering=1)  # noqa: SIM115  # open for as long as the process
    turns = Path(output).with_suffix(".turns").open("a", buffering=1)
    logger = logging.getLogger("upshift_agent")
    logger.setLevel("INFO")
    logger.addHandler(handler(os.environ["UPSHIFT_TEST_LOG"]))
    logger.propagate = False

    def note(instance: str, decision: Any) -> None:
        lease = decision.lease.id if decision.lease else None
        call = {"instance": instance, "at_s": time.monotonic(), "hz": decision.hz}
        lines.write(json.dumps(call | {"lease": lease}) + "\n")

    class Noted(Hostile):
        def apply(self, decisions: Any) -> Any:
            note(wrongs[self.wrong], decisions["cpu"])
            return super().apply(decisions)

    class Slow(OneAtATime):
        def apply(self, decisions: Any) -> Any:
            note(STOPPED, decisions["cpu"])
            return super().apply(decisions)

        def _be_in(self, what: str) -> None:
            turns.write(json.dumps({"at_s": time.monotonic(), "what": what}) + "\n")
            super()._be_in(what)
            turns.write(json.dumps({"at_s": time.monotonic(), "what": "out"}) + "\n")

    wrongs = {wrong: name for name, wrong in (RAISED | RETURNED).items()}
    drivers = {name: Noted(wrong) for wrong, name in wrongs.items()} | {STOPPED: Slow()}
    agents = {
        name: upshift_agent.Agent(
            redis_url=redis_url,
            service=service,
            driver=drivers[name],
            attributes={"service.instance.id": name},
        )
        for name in instances
    }
    for agent in agents.values():
        agent.start()
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    dice = random.Random(8)
    while not done.wait(dice.uniform(0, 0.4)):
        if STOPPED in agents:
            agents[STOPPED].stop(timeout_s=dice.choice([0, 0.02, 1]))
            agents[STOPPED].start()


if __name__ == "__main__":
    main(*sys.argv[1:])
