"""Cleans up after a demo that was killed: `python -m upshift_controller.demo.cleanup PID FOLDER`.

Its standard input ends when the demo does. The demo ends it first whenever it can clean up itself.
Workers notice by themselves that nobody listens; the controller, a real one, does not.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

_PATIENCE_S = 10.0


def main(pid: str, folder: str) -> None:
    sys.stdin.read()
    deadline = time.monotonic() + _PATIENCE_S
    try:
        os.kill(int(pid), signal.SIGTERM)
        while time.monotonic() < deadline:
            os.kill(int(pid), 0)
            time.sleep(0.1)
    except ProcessLookupError:
        pass  # it has ended, and its Valkey with it
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
