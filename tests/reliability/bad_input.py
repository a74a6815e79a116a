"""Bad input, tried in numbers: no 500, no crash, and no refused request that changes anything."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from servers import HttpServer, free_port, redis_server
from upshift_agent.errors import WireError
from upshift_agent.wire import decode_plan, decode_status
from upshift_rules.document import read_rules
from upshift_rules.located import DocumentError
from wire.strategies import jsons

from .table import Row, Size

WEBHOOK = "/api/v1/webhook/alertmanager"
PROMISED = "no 500, no crash, nothing changed by what is refused"
FUZZER = Path(__file__).with_name("fuzz_process.py")
#: `upshift serve`, less patient than it is, so that a test need not wait for it.
SERVE = """
import sys
from upshift_controller import listener
from upshift_controller.web import routes
listener.IDLE_S, routes.BODY_S = 2.0, 1.0
from upshift_controller.cli import main
main()
"""


@dataclass
class Victim:
    """A controller, its Redis, and what became of what it was sent."""

    server: HttpServer
    redis: redis.Redis
    statuses: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    _digest: str | None = None

    @property
    def url(self) -> str:
        return self.server.url

    def digest(self) -> str:
        """Of all states and plans: whatever a request may change."""
        keys = sorted(self.redis.scan_iter("upshift:v1:*", count=1000, _type="STRING"))
        found = zip(keys, self.redis.mget(keys), strict=True) if keys else ()
        return hashlib.sha256(repr(list(found)).encode()).hexdigest()

    def try_(self, what: str, send: Callable[[], requests.Response]) -> int:
        """Send something, and hold the answer against the promise."""
        before = self._digest = self._digest or self.digest()
        try:
            answer = send()
        except requests.RequestException as error:
            self.broken.append(f"{what}: no answer ({error!r})")
            return 0
        self.statuses[answer.status_code] += 1
        if answer.status_code >= 500:
            self.broken.append(f"{what}: {answer.status_code} {answer.text[:200]}")
        if answer.status_code < 400:
            self._digest = None
        elif self.digest() != before:
            self.broken.append(f"{what}: {answer.status_code}, and yet something changed")
        return answer.status_code

    def check(self) -> None:
        """It is alive, serves, and has logged no defect of its own."""
        assert self.server.process is not None
        if self.server.process.poll() is not None:
            self.broken.append(f"the controller ended with {self.server.process.returncode}")
        elif requests.get(f"{self.url}/-/ready", timeout=10).status_code != 200:
            self.broken.append("the controller is not ready any more")
        log = self.server.log.read_text()
        self.broken += re.findall(r".*(?:request failed|commit failed|died|Traceback).*", log)[:5]

    def rss_mib(self) -> float:
        assert self.server.process is not None
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024

    def row(self, fault: str, promised: str = PROMISED) -> Row:
        self.check()
        counts = sorted(self.statuses.items())
        answers = ", ".join(f"{count:,} × {status}" for status, count in counts)
        return Row(
            fault=fault,
            injected=self.statuses.total(),
            promised=promised,
            worst=answers,
            broken=self.broken,
        )


@contextmanager
def victim(folder: Path) -> Iterator[Victim]:
    with redis_server(folder / "redis") as store, store.client() as client:
        port = free_port()
        command = [sys.executable, "-c", SERVE, "serve", "--listen", f"127.0.0.1:{port}"]
        server = HttpServer([*command, "--redis", store.url], port, folder / "controller.log")
        server.start()
        try:
            yield Victim(server, client)
        finally:
            server.stop()


def tried(strategy: st.SearchStrategy[Any], times: int, use: Callable[[Any], None]) -> None:
    """Run `use` on `times` examples, the same ones each time; nothing is shrunk or stored."""

    @settings(
        max_examples=times,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(value: Any) -> None:
        use(value)

    run()


def api(folder: Path, size: Size) -> Row:
    """schemathesis makes requests from our own OpenAPI document, right and wrong ones."""
    import schemathesis

    with victim(folder) as controller:
        schema = schemathesis.openapi.from_url(f"{controller.url}/api/v1/openapi.json")
        modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
        for result in schema.get_all_operations():
            operation = result.ok()
            if operation.path.endswith("/events"):
                continue  # it never ends, and takes no input
            for mode in modes:
                strategy = operation.as_strategy(generation_mode=mode)

                def use(case: Any, name: str = operation.label) -> None:
                    controller.try_(name, lambda: case.call(timeout=20))

                try:
                    tried(strategy, size.of(150, 5), use)
                except Exception as error:  # nothing can be wrong about some
                    if "Unsatisfiable" not in type(error).__name__:
                        raise
        return controller.row("bad input: API (schemathesis)")


_labels = st.dictionaries(
    st.sampled_from(["alertname", "service_name", "environment", "instance", "node", "pod"])
    | st.text(max_size=8),
    st.sampled_from(["HighCPU", "high_latency", "checkout", "production", ""]) | jsons,
    max_size=5,
)
_alert = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["firing", "resolved"]) | jsons,
        "labels": _labels | jsons,
        "annotations": jsons,
        "startsAt": st.sampled_from(["2026-01-31T12:00:00Z", "0001-01-01T00:00:00Z", "9999-99"])
        | st.datetimes().map(lambda it: it.isoformat() + "Z")
        | jsons,
        "endsAt": jsons,
        "generatorURL": jsons,
        "fingerprint": st.text(max_size=20) | jsons,
    },
)
_notification = st.fixed_dictionaries(
    {},
    optional={
        "version": st.just("4") | jsons,
        "alerts": st.lists(_alert | jsons, max_size=4) | jsons,
        "truncatedAlerts": st.integers() | jsons,
        "receiver": jsons,
    },
)
#: Most are nearly right, as that is what gets far.
_bodies = (
    _notification.map(lambda it: json.dumps({"version": "4", "alerts": []} | it).encode())
    | _notification.map(lambda it: json.dumps(it).encode())
    | jsons.map(lambda it: json.dumps(it).encode())
    | st.binary(max_size=200)
)


def webhook(folder: Path, size: Size) -> Row:
    with victim(folder) as controller, requests.Session() as session:

        def use(body: bytes) -> None:
            headers = {"Content-Type": "application/json"}
            url = controller.url + WEBHOOK
            post = functools.partial(session.post, url, data=body, headers=headers, timeout=20)
            controller.try_(f"{body!r}", post)

        tried(_bodies, size.of(6000, 200), use)
        return controller.row("bad input: webhook")


_letters = "{}[]:,-#&*!|>'\"%@` \n\tsampling0on_alert19Hz~é\x00"
_yaml = st.text(st.sampled_from(_letters), max_size=120)


def documents(_: Path, size: Size) -> Row:
    """Rule documents, plans and statuses: each is read, or refused in our own words."""
    counts: Counter[str] = Counter()
    broken: list[str] = []

    def held(name: str, read: Callable[[Any], object], refused: type[Exception]) -> Any:
        def use(value: Any) -> None:
            counts[name] += 1
            try:
                read(value)
            except refused:
                counts["refused"] += 1
            except BaseException as error:  # noqa: BLE001  # that is what is looked for
                broken.append(f"{name} of {value!r}: {error!r}")

        return use

    def rules(value: Any) -> object:
        return read_rules(value, "rules.yaml").document.sampling.rule_set()

    def rules_of(value: Any) -> object:
        return rules(json.dumps({"sampling": value}))  # JSON is YAML, and what is put in survives

    times = size.of(3000, 200)
    entry = st.fixed_dictionaries(
        {},
        optional={
            name: jsons | st.sampled_from(["5m", "1h", "high_cpu", 100, True, ["a=b", 'a=~"("']])
            for name in ("trigger", "frequency", "duration", "max_duration", "match", "where")
        },
    )
    sampling = st.fixed_dictionaries(
        {}, optional={"default": jsons, "environments": jsons, "on_alert": st.lists(entry)}
    )
    tried(_yaml | st.binary(max_size=120), times, held("rules", rules, DocumentError))
    tried(sampling | jsons, times, held("rules", rules_of, DocumentError))
    message = st.builds(lambda it: json.dumps(it), jsons) | st.binary(max_size=120)
    golden = Path(__file__).parents[1] / "wire" / "golden"
    for name, read in (("plan", decode_plan), ("status", decode_status)):
        seed = json.loads((golden / f"{name}.json").read_text())
        near = st.tuples(st.sampled_from(sorted(seed)), jsons).map(
            lambda it, seed=seed: json.dumps(seed | {it[0]: it[1]})
        )
        tried(message | near, times, held(name, read, WireError))
    deep = "[" * 100_000
    for name, read, error in (
        ("plan", decode_plan, WireError),
        ("status", decode_status, WireError),
        ("rules", rules, DocumentError),
    ):
        for text in (deep, deep + "]" * 100_000, '{"a":' * 100_000, '{"v":1,"leases":' + deep):
            held(name, read, error)(text)
    fuzzed = atheris(size.of(60, 3), broken)
    worst = f"{counts['rules']:,} rule documents, {counts['plan'] + counts['status']:,} messages"
    return Row(
        fault="bad input: documents and messages",
        injected=counts["rules"] + counts["plan"] + counts["status"] + fuzzed,
        promised="read or refused, never anything else",
        worst=f"{worst}, {fuzzed:,} by atheris; {counts['refused']:,} of the first two refused",
        broken=broken,
    )


def atheris(seconds: int, broken: list[str]) -> int:
    """Coverage-guided, in a process of its own with a limit. Return how much it tried."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(FUZZER), f"-max_total_time={seconds}", "-max_len=400",
             "-rss_limit_mb=1024", "-timeout=10", "-seed=1", folder],
            cwd=folder, capture_output=True, text=True, timeout=seconds + 60, check=False,
        )  # fmt: skip  # as on a command line
    if done.returncode == 3:  # atheris is not to be had on this platform
        return 0
    if done.returncode != 0:
        broken.append(f"atheris: {done.stderr[-1500:]}")
    found = re.findall(r"^(?:#|Done )(\d+)", done.stderr, re.MULTILINE)
    return int(found[-1]) if found else 0


def connections(folder: Path, size: Size) -> Row:
    """Half-sent requests, bombs, nesting, floods: webhooks get through meanwhile."""
    with victim(folder) as controller:
        slow, slowest_s = size.of(3000, 300), 0.0
        with holding(controller.server.port, slow) as held:
            for number in range(size.of(100, 10)):
                began = time.monotonic()
                controller.try_("webhook meanwhile", functools.partial(deliver, controller, number))
                slowest_s = max(slowest_s, time.monotonic() - began)
            closed_s = closed_after(held)
        controller.statuses[0] += slow
        if closed_s is None:
            controller.broken.append("half-sent requests are never closed")
        if slowest_s > 5:
            controller.broken.append(f"a webhook took {slowest_s:.1f} s beside slow clients")
        before_mib = controller.rss_mib()
        for what, options in bombs():
            status = controller.try_(what, functools.partial(post, controller, **options))
            if not 400 <= status < 500:
                controller.broken.append(f"{what}: {status}")
        grown_mib = controller.rss_mib() - before_mib
        if grown_mib > 100:
            controller.broken.append(f"memory grew by {grown_mib:.0f} MiB")
        for number in range(size.of(500, 50)):
            raw(controller, number)
        row = controller.row("bad input: connections", "webhooks within 5 s, memory bounded")
        return Row(
            fault=row.fault,
            injected=row.injected,
            promised=row.promised,
            worst=f"webhook {slowest_s * 1000:.0f} ms beside {slow:,} half-sent requests, "
            f"closed after {closed_s or 0:.0f} of 2 s, memory +{grown_mib:.0f} MiB by bombs",
            broken=row.broken,
        )


def deliver(controller: Victim, number: int) -> requests.Response:
    labels = {"alertname": "HighCPU", "service_name": f"service-{number}"}
    alert = {"status": "firing", "labels": labels, "startsAt": "2026-01-31T12:00:00Z"}
    body = {"version": "4", "alerts": [alert]}
    return requests.post(controller.url + WEBHOOK, json=body, timeout=20)


def post(controller: Victim, **options: Any) -> requests.Response:
    path = options.pop("path", WEBHOOK)
    headers = {"Content-Type": "application/json"} | options.pop("headers", {})
    return requests.post(controller.url + path, headers=headers, timeout=30, **options)


@contextmanager
def holding(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Connections that say nothing, half of the headers, or less of a body than they promised."""
    beginnings = [
        b"",
        b"POST /api/v1/webhook/alertmanager HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST /api/v1/webhook/alertmanager HTTP/1.1\r\nHost: localhost\r\n"
        b'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"version',
    ]
    clients: list[socket.socket] = []
    try:
        for number in range(count):
            client = socket.create_connection(("127.0.0.1", port), timeout=20)
            client.sendall(beginnings[number % len(beginnings)])
            clients.append(client)
        yield clients
    finally:
        for client in clients:
            client.close()


def closed_after(clients: list[socket.socket], patience_s: float = 30) -> float | None:
    """Seconds until the server has closed or answered every one; None if it does not."""
    began = time.monotonic()
    for client in clients:
        client.settimeout(max(0.1, began + patience_s - time.monotonic()))
        try:
            client.recv(100)
        except TimeoutError:
            return None
        except OSError:
            pass
    return time.monotonic() - began


def bombs() -> Iterator[tuple[str, dict[str, Any]]]:
    squeezed = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(squeezed.compress(b"\0" * 2**20) for _ in range(256)) + squeezed.flush()
    yield "256 MiB in gzip", {"data": bomb, "headers": {"Content-Encoding": "gzip"}}
    yield (
        "deflate",
        {"data": zlib.compress(b"[" * 2**20), "headers": {"Content-Encoding": "deflate"}},
    )
    deep = b"[" * 100_000
    for path in (WEBHOOK, "/api/v1/leases", "/api/v1/explain"):
        for text in (deep, deep + b"]" * 100_000, b'{"version":"4","alerts":' + deep):
            yield f"100,000 brackets to {path}", {"data": text, "path": path}
        yield f"a number of 100,000 digits to {path}", {"data": b"9" * 100_000, "path": path}
    yield "17 MiB", {"data": b" " * (17 * 2**20)}
    yield "half a surrogate", {"data": b'"\\ud800"'}
    yield "not UTF-8", {"data": b'{"version": "\xff\xfe"}'}
    yield "UTF-16", {"data": "{}".encode("utf-16")}


def raw(controller: Victim, number: int) -> None:
    """What is no HTTP at all, or nearly."""
    texts = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /api/v1/leases HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/json\r\n\r\nzz\r\n",
        b"POST /api/v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /api/v1/targets/%00%ff%2e%2e%2f HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200,
        bytes(range(256)) * 10,
    ]
    text = texts[number % len(texts)]
    with socket.create_connection(("127.0.0.1", controller.server.port), timeout=20) as client:
        try:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(12)
        except OSError:
            answer = b""
    status = int(answer[9:12]) if answer[9:12].isdigit() else 0
    controller.statuses[status] += 1
    if status >= 500:
        controller.broken.append(f"{text[:60]!r}: {status}")
