"""A process that pretends to be a JVM: `pretending.py HOW`. It takes SIGQUIT, as they do.

HOW: `answers` whatever it is asked with `0` and the question; `refuses`; `hangs`; `closes` without
an answer; `silent` opens no socket at all.
"""

import os
import signal
import socket
import sys
import threading


def serve(how: str) -> None:
    path = f"/tmp/.java_pid{os.getpid()}"
    if os.path.exists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            connection, _ = listener.accept()
            with connection:
                asked = b""
                while asked.count(b"\0") < 5:
                    asked += connection.recv(1024)
                if how == "hangs":
                    signal.pause()
                if how != "closes":
                    code = b"0" if how == "answers" else b"1"
                    connection.sendall(code + b"\n" + asked.replace(b"\0", b" "))


def main(how: str) -> None:
    asked = threading.Event()
    signal.signal(signal.SIGQUIT, lambda *_: asked.set())
    print("busy", flush=True)  # noqa: T201  # whoever started it waits for that
    while not asked.wait(0.05):
        pass
    if how == "silent":
        while True:
            signal.pause()
    serve(how)


if __name__ == "__main__":
    main(sys.argv[1])
