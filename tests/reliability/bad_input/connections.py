"""Half-sent requests, bombs, nesting, floods: webhooks get through meanwhile."""

from __future__ import annotations

import functools
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from ..table import Row, Size
from .victim import WEBHOOK, Victim, victim


def row(folder: Path, size: Size) -> Row:
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
        return replace(
            controller.row("bad input: connections", "webhooks within 5 s, memory bounded"),
            worst=f"webhook {slowest_s * 1000:.0f} ms beside {slow:,} half-sent requests, "
            f"closed after {closed_s or 0:.0f} of 2 s, memory +{grown_mib:.0f} MiB by bombs",
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
