"""An application whose main thread minds how long it was ever kept from running.

Its driver writes a line for each call, and does what `kind` says; without an agent ("none") it
shows what the machine alone does to such a thread.
"""

import json
import signal
import sys
import threading
import time
from typing import Any

NAP_S = 0.001


def main(redis_url: str, kind: str, slow_s: str, output: str) -> None:
    lines = open(output, "a", buffering=1)  # noqa: SIM115  # open for as long as the process

    def driver(decision: Any) -> None:
        lines.write(json.dumps({"hz": decision.hz, "at_s": time.monotonic()}) + "\n")
        if decision.hz == 19:
            return
        if kind == "raises":
            raise OSError("no permission to profile")
        if kind == "hangs":
            threading.Event().wait()
        time.sleep(float(slow_s))

    done: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: done.append(1))
    agent: Any = None
    longest_call_s = 0.0
    if kind != "none":
        import upshift_agent

        agent = upshift_agent.Agent(redis_url=redis_url, service="checkout", driver=driver)
        began = time.monotonic()
        agent.start()
        longest_call_s = time.monotonic() - began
        while not agent.connected:  # the imports of the agent's thread hold the GIL, once
            time.sleep(0.01)
    lines.write(json.dumps({"ready": True}) + "\n")
    longest_stall_s = 0.0
    while not done:
        began = time.monotonic()
        time.sleep(NAP_S)
        woke = time.monotonic()
        longest_stall_s = max(longest_stall_s, woke - began - NAP_S)
        if agent is not None:
            _ = agent.status, agent.decisions, agent.connected
            longest_call_s = max(longest_call_s, time.monotonic() - woke)
    lines.write(json.dumps({"stall_s": longest_stall_s, "call_s": longest_call_s}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
