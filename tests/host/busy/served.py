"""A busy process that serves what net/http/pprof does: `served.py PORT`.

As a library in it would: it looks at its own busy thread 100 times a second.
"""

import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from upshift_host.profiles.pprof import encode
from upshift_host.profiles.window import Window

HZ = 100


def spend() -> int:
    """A few ms in one frame: a stack that changes under a profiler's eyes is a sample lost."""
    total = 0
    for number in range(100_000):
        total += number * number
    return total


def sampled(thread: int, seconds: float) -> bytes:
    """Its own cpu profile. Busy all the time, it is seen at each period, however late we look."""
    stacks: Counter[tuple[str, ...]] = Counter()
    began_s, began = time.time(), time.monotonic()
    for due in range(1, int(seconds * HZ) + 1):
        time.sleep(max(0.0, began + due / HZ - time.monotonic()))
        frame, names = sys._current_frames()[thread], []
        while frame is not None:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        stacks[tuple(reversed(names))] += 1
    return encode(
        Window(
            attributes={},
            profile="cpu",
            profiler="own",
            hz=HZ,
            began_s=began_s,
            ended_s=time.time(),
            samples=stacks,
        )
    )


def main(port: int) -> None:
    busy = threading.get_ident()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seconds = parse_qs(urlsplit(self.path).query)["seconds"][0]
            body = sampled(busy, float(seconds))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("busy", flush=True)  # noqa: T201  # whoever started it waits for that
    while True:
        spend()


if __name__ == "__main__":
    main(int(sys.argv[1]))
