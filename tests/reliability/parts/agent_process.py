"""A process with SDK agents, whose driver writes a line for each call: who, when, Hz, which lease.

CLOCK_MONOTONIC is one clock for all processes of a machine, so the moments can be compared.
"""

import json
import os
import signal
import sys
import threading
import time
from typing import Any

import upshift_agent
import upshift_agent.following.timing


def main(redis_url: str, service: str, output: str, *instances: str) -> None:
    lines = open(output, "a", buffering=1)  # noqa: SIM115  # open for as long as the process

    def note(instance: str) -> Any:
        def driver(decision: upshift_agent.Decision) -> None:
            lease = decision.lease.id if decision.lease else None
            call = {"instance": instance, "at_s": time.monotonic(), "hz": decision.hz}
            lines.write(json.dumps(call | {"lease": lease}) + "\n")

        return driver

    # For small sizes: how often plans are read anew, which nothing but a test has to change.
    if resync_s := os.environ.get("UPSHIFT_TEST_RESYNC_S"):
        upshift_agent.following.timing.RESYNC_S = float(resync_s)
    secrets = tuple(filter(None, os.environ.get("UPSHIFT_SECRETS", "").split(",")))
    version = os.environ.get("UPSHIFT_TEST_VERSION")
    named = {"service.version": version, "deployment.environment.name": "production"}
    named = named if version else {}
    for instance in instances:
        upshift_agent.Agent(
            redis_url=redis_url,
            service=service,
            driver=note(instance),
            attributes={"service.instance.id": instance, **named},
            secrets=secrets,
        ).start()
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    done.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
