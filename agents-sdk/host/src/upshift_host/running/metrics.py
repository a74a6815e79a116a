"""What the host agent tells Prometheus of itself: `GET /metrics`. It names no workload."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler

from ..drivers.tally import Counts as Windows
from ..profiles.export import Counts as Sent

PATH = "/metrics"
#: For whoever asks to say what, and to take the answer; one is answered at a time.
ANSWER_S = 5.0

_WINDOWS = "upshift_host_windows"


def text(workloads: int, windows: Windows, sent: Sent) -> str:
    """All metrics in Prometheus's text format. workloads: that have an agent. Pure."""
    kinds = sorted(windows.brought)

    def of_kinds(values: Callable[[tuple[str, str]], int]) -> list[tuple[str, int]]:
        return [(f'{{driver="{it[0]}",profile="{it[1]}"}}', values(it)) for it in kinds]

    lost = [(f'{{driver="{name}"}}', count) for name, count in sorted(windows.lost.items())]
    parts = [
        _metric("upshift_host_workloads", "Workloads that have an agent.", [("", workloads)]),
        _metric(
            f"{_WINDOWS}_total",
            "Windows that profilers brought.",
            of_kinds(lambda kind: windows.brought[kind]),
        ),
        _metric(
            f"{_WINDOWS}_missed_total",
            "Those whose samples were off by more than 10 %, and by more than chance.",
            of_kinds(lambda kind: windows.missed[kind]),
        ),
        _metric(f"{_WINDOWS}_lost_total", "Windows that brought nothing.", lost),
        _metric(f"{_WINDOWS}_sent_total", "Windows that the backend took.", [("", sent.sent)]),
        _metric(f"{_WINDOWS}_refused_total", "Those that it refused.", [("", sent.refused)]),
        _metric(f"{_WINDOWS}_dropped_total", "Those given up.", [("", sent.dropped)]),
        _metric(f"{_WINDOWS}_queued", "Those that are to be sent.", [("", sent.queued)]),
    ]
    return "".join(parts)


def _metric(name: str, what: str, values: Iterable[tuple[str, int]]) -> str:
    kind = "counter" if name.endswith("_total") else "gauge"
    lines = "".join(f"{name}{labels} {value}\n" for labels, value in values)
    return f"# HELP {name} {what}\n# TYPE {name} {kind}\n{lines}"


class Metrics:
    """Serves them on a thread of its own, one answer at a time."""

    def __init__(self, address: str, text: Callable[[], str]) -> None:
        """address: HOST:PORT. Raise `OSError` where nobody can listen there."""
        host, _, port = address.rpartition(":")
        self._server = _Server(host.strip("[]"), int(port), text)
        self._ended = False
        threading.Thread(target=self._serve, name="upshift-metrics", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._ended = True
        self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes who waits for a request

    def _serve(self) -> None:
        while not self._ended:
            self._server.handle_request()
        self._server.server_close()


class _Server(socketserver.TCPServer):
    allow_reuse_address = True

    def __init__(self, host: str, port: int, text: Callable[[], str]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.text = text
        super().__init__((host, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked has gone."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = ANSWER_S
    server_version, sys_version = "upshift", ""

    def do_GET(self) -> None:
        found = self.path.partition("?")[0] == PATH
        body = self.server.text().encode() if found else f"there is only {PATH}\n".encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Each scrape is no news."""
