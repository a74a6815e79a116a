"""Processes that do nothing, each a service of its own, for as long as this one lives.

python sleepers.py HOW_MANY PREFIX
"""

import subprocess
import sys
import threading


def main(how_many: int, prefix: str) -> None:
    waiting = []
    for number in range(how_many):
        environ = {"OTEL_SERVICE_NAME": f"{prefix}-{number}"}
        waiting.append(subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, env=environ))
    print("ready")
    threading.Event().wait()  # each ends with its pipe


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
