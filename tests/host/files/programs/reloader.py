"""A small profiler: it reads its file at the start and at each reload, by SIGHUP or POST /reload.

    reloader.py FILE LOG DEADLY [PORT]

LOG gets a line for each content that it has loaded. At `DEADLY` or more it ends: 0.3 s after it was
told, as a collector does whose new receiver fails. A content without a number is refused: by HTTP
that is a 500, by a signal its end.
"""

import http.server
import re
import signal
import sys
import threading
import time
from typing import Any

FILE, LOG, DEADLY = sys.argv[1], sys.argv[2], int(sys.argv[3])


def load() -> bool:
    with open(FILE, encoding="utf-8") as file:
        numbers = re.findall(r"\d+", file.read())
    if not numbers:
        return False
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(f"{time.monotonic()} {numbers[0]}\n")
    if int(numbers[0]) >= DEADLY:
        threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGKILL)).start()
    return True


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.answer(200 if load() else 500)

    def do_GET(self) -> None:
        self.answer(200)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


# Taken by `sigwait`, not by a handler: one that sets an event can come while its own thread holds
# the event's lock, and waits for ever.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
if not load():
    sys.exit("no number")
if len(sys.argv) > 4:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[4])), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdout.write("ready\n")
sys.stdout.flush()
while True:
    signal.sigwait({signal.SIGHUP})
    if not load():
        sys.exit("no number")
