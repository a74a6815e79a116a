"""What an SDK pushes to Pyroscope's /ingest as pprof, counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from upshift_controller.demo.receiving.pprof import read_pprof

CPU = ("cpu", "nanoseconds")


@dataclass(frozen=True)
class Window:
    """A CPU profile. `one_period`: every stack is a whole number of periods."""

    name: str
    period_ns: int
    from_s: float
    until_s: float
    samples: int
    one_period: bool

    @property
    def hz(self) -> int:
        return round(1e9 / self.period_ns)

    @property
    def seconds(self) -> float:
        return self.until_s - self.from_s


@dataclass
class Pushes:
    url: str = ""
    _windows: list[Window] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, path: str, content_type: str, body: bytes) -> None:
        query = parse_qs(urlsplit(path).query)
        parts = BytesParser(policy=HTTP).parsebytes(
            b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body
        )
        (raw,) = (
            part.get_payload(decode=True)
            for part in parts.iter_parts()
            if part.get_param("name", header="content-disposition") == "profile"
        )
        pprof = read_pprof(raw)
        if (values := pprof.values.get(CPU)) is not None:
            window = Window(
                name=query["name"][0],
                period_ns=pprof.period,
                from_s=pprof.time_ns / 1e9,
                until_s=(pprof.time_ns + pprof.duration_ns) / 1e9,
                samples=sum(values) // pprof.period,
                one_period=all(value % pprof.period == 0 for value in values),
            )
            with self._lock:
                self._windows.append(window)

    def windows(self) -> list[Window]:
        with self._lock:
            return list(self._windows)


@contextmanager
def receiving() -> Iterator[Pushes]:
    pushes = Pushes()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            pushes.take(self.path, self.headers["Content-Type"], body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pushes.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield pushes
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
