"""A backend for tests: takes what Pyroscope's /ingest and Parca's WriteRaw take, and reads it."""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from upshift_controller.demo.receiving.pprof import Pprof, read_pprof


@dataclass(frozen=True)
class Ingested:
    """One window as Pyroscope understands it."""

    application: str
    labels: dict[str, str]
    hz: int
    units: str
    profiler: str
    from_s: float
    until_s: float
    stacks: Counter[tuple[str, ...]] = field(repr=False)

    @property
    def seconds(self) -> float:
        return self.until_s - self.from_s

    @property
    def samples(self) -> int:
        return self.stacks.total()


@dataclass(frozen=True)
class Written:
    """One window as Parca understands it."""

    labels: dict[str, str]
    pprof: Pprof = field(repr=False)


@dataclass
class Receiver:
    """answers: statuses to answer with, the first ones first; then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    seen: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def ingested(self) -> list[Ingested]:
        with self.arrived:
            return [read_ingest(path, body) for path, body, _ in self.seen if "/ingest?" in path]

    def written(self) -> list[Written]:
        with self.arrived:
            return [read_written(body) for path, body, _ in self.seen if path.endswith("writeraw")]

    def wait_for(self, count: int, within_s: float = 10.0) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.seen) >= count, within_s), len(self.seen)


def read_ingest(path: str, body: bytes) -> Ingested:
    query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    assert query["format"] == "folded"
    application, labels = read_name(query["name"])
    stacks: Counter[tuple[str, ...]] = Counter()
    for line in body.splitlines():
        assert len(line) < 65_536, "Pyroscope reads no further than a line of 64 KiB"
        stack, _, count = line.rpartition(b" ")
        stacks[tuple(stack.decode().split(";"))] += int(count)
    return Ingested(
        application=application,
        labels=labels,
        hz=int(query["sampleRate"]),
        units=query["units"],
        profiler=query["spyName"],
        from_s=int(query["from"]) / 1e9,
        until_s=int(query["until"]) / 1e9,
        stacks=stacks,
    )


def read_name(name: str) -> tuple[str, dict[str, str]]:
    """As Pyroscope reads it: a name, then `{`, then `label=value` up to each `,` or `}`."""
    application, _, rest = name.partition("{")
    labels: dict[str, str] = {}
    while rest and rest != "}":
        label, _, rest = rest.partition("=")
        ends = [at for at in (rest.find(","), rest.find("}")) if at >= 0]
        assert ends, f"a label without an end: {name}"
        end = min(ends)
        labels[label.strip()] = rest[:end].strip()
        if rest[end] == "}":
            break
        rest = rest[end + 1 :]
    return application, labels


def read_written(body: bytes) -> Written:
    (series,) = json.loads(body)["series"]
    (sample,) = series["samples"]
    return Written(
        labels={label["name"]: label["value"] for label in series["labels"]["labels"]},
        pprof=read_pprof(base64.b64decode(sample["rawProfile"])),
    )


@contextmanager
def receiving(*, port: int = 0) -> Iterator[Receiver]:
    """Serve one on a free port of 127.0.0.1."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with receiver.arrived:
                receiver.seen.append((self.path, body, dict(self.headers)))
                status = receiver.answers.pop(0) if receiver.answers else 200
                receiver.arrived.notify_all()
            said = b"" if status == 200 else b"no room\nat all"
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", port), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
