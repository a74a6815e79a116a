"""A server in the place of Prometheus, which answers queries as a test wants."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from upshift_controller.sources.prometheus.answers import LABEL

_TOGETHER = re.compile(rf'label_replace\(\(\n(.*?)\n\), "{LABEL}", "(\d+)", "", ""\)', re.DOTALL)


def number(value: object) -> list[dict[str, Any]]:
    """An instant vector of one series."""
    return [{"metric": {}, "value": [1.0, f"{value}"]}]


class Pretending(ThreadingHTTPServer):
    """`says` is told each query and returns a result; what it raises, `BadQuery` or not, is HTTP
    status 400. `raw`, where it is set, answers in its place. asked: the requests, each the queries
    that it asked. most: so many were under way at once. `opens` lets answers out."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.says: Callable[[str], Any] = lambda _: []
        self.raw: Callable[[_Handler], None] | None = None
        self.asked: list[list[str]] = []
        self.headers: list[dict[str, str]] = []
        self.most = 0
        self.opens = threading.Event()
        self.opens.set()
        self._under_way = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def queries(self) -> list[str]:
        return [query for several in self.asked for query in several]

    def enter(self, queries: list[str], headers: dict[str, str]) -> None:
        with self._lock:
            self.asked.append(queries)
            self.headers.append(headers)
            self._under_way += 1
            self.most = max(self.most, self._under_way)

    def leave(self) -> None:
        with self._lock:
            self._under_way -= 1

    def handle_error(self, *_: object) -> None:
        """Clients hang up when they have waited for long enough."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Pretending

    def do_POST(self) -> None:  # of the base class
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        (query,) = parse_qs(body)["query"]
        several = [found[0] for found in _TOGETHER.findall(query)]
        self.server.enter(several or [query], dict(self.headers.items()))
        try:
            self.server.opens.wait(60)
            if self.server.raw is not None:
                self.server.raw(self)
                return
            try:
                result = self._result(several) if several else self.server.says(query)
            except Exception as error:  # noqa: BLE001  # as its docstring has it
                self.answer({"status": "error", "error": str(error)}, 400)
            else:
                self.answer({"status": "success", "data": {"result": result}})
        finally:
            self.server.leave()

    def _result(self, several: list[str]) -> list[Any]:
        rows = []
        for at, query in enumerate(several):
            result = self.server.says(query)
            if result and isinstance(result[0], float):
                raise ValueError("expected type instant vector, got scalar")
            rows += [{**row, "metric": row["metric"] | {LABEL: str(at)}} for row in result]
        return rows

    def answer(self, document: object, status: int = 200) -> None:
        self.write(json.dumps(document).encode(), "application/json", status)

    def write(self, body: bytes, kind: str = "text/html", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


async def happens(check: Callable[[], Any]) -> None:
    """Wait until `check` says so; what it looks at is done by threads."""
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.005)


@contextmanager
def pretending() -> Iterator[Pretending]:
    with Pretending() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.opens.set()
            server.shutdown()
            thread.join()
