"""Floor: pyroscope-io's own shutdown + configure, under a busy thread.

python switch.py PYROSCOPE_URL        then, a line each on standard input: how many switches
"""

import sys
import threading
import time

import pyroscope

RATES = (100, 19)


def spin() -> None:
    while True:
        sum(range(20_000))


def main(url: str) -> None:
    options = {"application_name": "floor", "server_address": url, "tags": {"a": "1", "b": "2"}}
    pyroscope.configure(**options, sample_rate=RATES[1])
    threading.Thread(target=spin, daemon=True).start()
    print("ready")
    for line in sys.stdin:
        took = []
        for number in range(int(line)):
            time.sleep(0.3)
            began = time.perf_counter()
            pyroscope.shutdown()
            pyroscope.configure(**options, sample_rate=RATES[number % 2])
            took.append((time.perf_counter() - began) * 1000)
        print(*took)


if __name__ == "__main__":
    main(sys.argv[1])
