"""One agent whose driver says when it was called.

python agent.py REDIS_URL SERVICE
"""

import sys
import threading
import time

from upshift_agent import Agent, Decision


def main(url: str, service: str) -> None:
    connected = threading.Event()

    def driver(_: Decision) -> None:
        now = time.monotonic_ns()
        if connected.is_set():  # the baseline, at the start, is nobody's change
            print(now)

    agent = Agent(
        redis_url=url,
        service=service,
        attributes={"deployment.environment.name": "production"},
        driver=driver,
    )
    agent.start()
    while not (agent.connected and agent.status and agent.status.state == "applied"):
        time.sleep(0.01)
    connected.set()
    print("ready")
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
