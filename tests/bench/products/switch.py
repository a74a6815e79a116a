"""The pyroscope driver at work under a busy thread.

python switch.py PYROSCOPE_URL        then, a line each on standard input: how many switches
"""

import sys
import threading
import time

from upshift_agent import Decision
from upshift_agent.drivers.pyroscope import PyroscopeDriver

RATES = (100, 19)


def spin() -> None:
    while True:
        sum(range(20_000))


def main(url: str) -> None:
    driver = PyroscopeDriver(server_address=url)
    driver.identify({"service.name": "product", "service.instance.id": "a"})
    driver.apply({"cpu": Decision(hz=RATES[1])})
    threading.Thread(target=spin, daemon=True).start()
    print("ready")
    for line in sys.stdin:
        took = []
        for number in range(int(line)):
            time.sleep(0.3)
            began = time.perf_counter()
            driver.apply({"cpu": Decision(hz=RATES[number % 2])})
            took.append((time.perf_counter() - began) * 1000)
        print(*took)


if __name__ == "__main__":
    main(sys.argv[1])
