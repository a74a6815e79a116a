"""A process that is busy and knows nothing of Upshift: `busy.py [THREADS THAT SLEEP]`."""

import sys
import threading


def spend() -> int:
    """A few ms in one frame: a stack that changes under a profiler's eyes is a sample lost."""
    total = 0
    for number in range(100_000):
        total += number * number
    return total


def main(sleepers: int) -> None:
    for _ in range(sleepers):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    print("busy", flush=True)  # noqa: T201  # whoever started it waits for that
    while True:
        spend()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
