"""Stand-ins for the query APIs of Parca and Pyroscope: they decode what is asked, and answer with
profiles of a program whose truth is known."""

from __future__ import annotations

import base64
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from upshift_controller.evidence.reading.wire import fields, text
from upshift_host.profiles.protobuf import block, number, packed

Stacks = Mapping[tuple[str, ...], int]


def pprof(stacks: Stacks) -> bytes:
    """One value a stack; names outermost first."""
    names = {"": 0}
    for stack in stacks:
        for name in stack:
            names.setdefault(name, len(names))
    parts = [block(1, number(1, 0) + number(2, 0))]
    for stack, value in stacks.items():
        ids = [names[name] for name in reversed(stack)]
        parts.append(block(2, packed(1, ids) + packed(2, [value])))
    for at in list(names.values())[1:]:
        parts.append(block(4, number(1, at) + block(4, number(1, at))))
        parts.append(block(5, number(1, at) + number(2, at)))
    return b"".join([*parts, *(block(6, name.encode()) for name in names)])


class Program:
    """One busy core, sampled at 19 Hz and from `since_ms` on at `hz`; a function grows then."""

    def __init__(self, since_ms: int, hz: int, names: tuple[str, str] = ("parse", "render")):
        self.since_ms, self.hz, self.names = since_ms, hz, names
        self.asked: list[tuple[str, str]] = []

    def __call__(self, type_: str, selector: str, from_ms: int, until_ms: int) -> bytes | None:
        self.asked.append((type_, selector))
        boosted = from_ms >= self.since_ms
        hz = self.hz if boosted else 19
        chance = random.Random(from_ms - self.since_ms)
        shares = [0.3, 0.7] if boosted else [0.1, 0.9]
        seen = Counter(chance.choices(self.names, shares, k=hz * (until_ms - from_ms) // 1000))
        weight = 1 if ":count:" in type_ else 1_000_000_000 // hz
        return pprof({("main", name): count * weight for name, count in seen.items()})


Answers = Callable[[str, str, int, int], bytes | None]


@contextmanager
def standing_in(answers: Answers) -> Iterator[str]:
    """Both APIs at one URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {key: value[0] for key, value in parse_qs(urlsplit(self.path).query).items()}
            type_, _, labels = query["merge.query"].partition("{")
            times = [_ms(query[f"merge.{edge}"]) for edge in ("start", "end")]
            data = answers(type_, "{" + labels, times[0], times[1] + 1)
            if data is None:
                self._say(404, b"{}")
            else:
                self._say(200, json.dumps({"pprof": base64.b64encode(data).decode()}).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = dict(fields(body))
            times = [int(asked[3]), int(asked[4]) + 1]  # type: ignore[arg-type]
            self._say(200, answers(text(asked[1]), text(asked[2]), *times) or b"")

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
