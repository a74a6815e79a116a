"""A process that does nothing but run an agent.

python idle.py REDIS_URL
"""

import sys
import threading

from upshift_agent import Agent, Decision


def driver(_: Decision) -> None:
    pass


def main(url: str) -> None:
    agent = Agent(redis_url=url, service="idle", driver=driver)
    agent.start()
    while not agent.connected:
        threading.Event().wait(0.01)
    print("ready")
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
