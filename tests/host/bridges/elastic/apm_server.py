"""A stand-in for APM Server, which is not to be had here: its settings, and what else it is sent.

As its documentation says: settings with an ETag, 304 for who has them, `Cache-Control`; 202 for
events. It reads what it is sent as it arrives, and says so, for tests of what passes through.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


@dataclass
class ApmServer:
    """settings: the user's, of all services. status: what is answered in place of them."""

    settings: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    delay_s: float = 0.0
    token: str | None = None
    stopped: bool = False
    requests: list[Request] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)  # of bodies, as they arrive at /pieces
    _server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def polls(self) -> list[Request]:
        return [it for it in self.requests if it.path.startswith("/config/")]

    def etag(self) -> str:
        content = json.dumps(self.settings, sort_keys=True).encode()
        return f'"{hashlib.sha1(content).hexdigest()}"'

    def start(self, port: int = 0) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._server.daemon_threads = True
        self._server.stand_in = self  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.stopped = True
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def _handle(self) -> None:
        server: ApmServer = self.server.stand_in  # type: ignore[attr-defined]
        if server.stopped:
            self.close_connection = True
            return
        path = self.path.partition("?")[0]
        body = b""
        for piece in self._pieces():
            body += piece
            if path == "/pieces":
                server.pieces.append(piece)
        server.requests.append(Request(self.command, self.path, dict(self.headers), body))
        time.sleep(server.delay_s)
        if server.token and self.headers.get("Authorization") != f"Bearer {server.token}":
            self._answer(401, b'{"error": "unauthorized"}')
        elif path == "/config/v1/agents":
            self._settings(server)
        elif path == "/pieces":
            self._in_pieces(server)
        elif path == "/":
            self._answer(200, b'{"version": "8.15.0", "build_date": "2024", "build_sha": "0"}')
        else:
            self._answer(202, b"", Accepted="yes", Set_Cookie="whose=one-agent's")

    def _settings(self, server: ApmServer) -> None:
        if server.status != 200:
            self._answer(server.status, json.dumps({"error": "so be it"}).encode())
            return
        etag = server.etag()
        headers = {"ETag": etag, "Cache_Control": "max-age=30, must-revalidate"}
        if self.headers.get("If-None-Match") == etag:
            self._answer(304, b"", **headers)
        else:
            self._answer(200, json.dumps(server.settings).encode(), **headers)

    def _in_pieces(self, server: ApmServer) -> None:
        """Three pieces, each when the one before has been taken by `pieces`."""
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")  # which it is not: nobody may look
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3):
            piece = b"piece %d" % number
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()
            deadline = time.monotonic() + 10
            while piece not in server.pieces and time.monotonic() < deadline:
                time.sleep(0.005)
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if body:
            self.send_header("Content-Type", "application/json")
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _pieces(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline().strip() or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    do_GET = do_POST = do_HEAD = do_PUT = _handle  # noqa: N815  # http.server's names

    def log_message(self, *_: object) -> None:
        """Each request is no news."""


@contextmanager
def apm_server(**settings: Any) -> Iterator[ApmServer]:
    server = ApmServer(settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()
