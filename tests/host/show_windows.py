"""A backend that takes windows, and prints a line for each: `python -m host.show_windows PORT`."""

from __future__ import annotations

import sys
import time
from itertools import count

from host.receiver import Ingested, receiving


def line(window: Ingested) -> str:
    began = time.strftime("%H:%M:%S", time.localtime(window.from_s))
    return (
        f"{began}  {window.labels['service_name']:8} {window.profiler:9} {window.hz:3} Hz  "
        f"{window.seconds:4.1f} s  {window.samples:4} samples"
    )


def main(port: int) -> None:
    with receiving(port=port) as receiver:
        for shown in count():
            with receiver.arrived:
                while len(receiver.seen) <= shown:
                    receiver.arrived.wait()
            print(line(receiver.ingested()[shown]), flush=True)  # noqa: T201  # what it is for


if __name__ == "__main__":
    main(int(sys.argv[1]))
