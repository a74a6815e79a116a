"""HTTP as cheap as it gets, because the load shares two cores with what it measures."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, Self


class Caller:
    """One connection, one request at a time; a context, at whose end it is closed."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, path: str, body: bytes) -> Any:
        return self._ask("POST", path, body)

    def get(self, path: str) -> Any:
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        headers = {"Content-Type": "application/json"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status in (200, 201), f"{path}: {answer.status}: {text[:200]!r}"
        return json.loads(text) if answer.headers.get_content_subtype() == "json" else text


def request(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def flood(port: int, requests: Sequence[bytes], connections: int) -> float:
    """Send all `requests`, the next on a connection when the last is answered. Return seconds.

    Raise `AssertionError` for any answer but 200.
    """
    return asyncio.run(_flood(port, requests, connections))


async def _flood(port: int, requests: Sequence[bytes], connections: int) -> float:
    loop = asyncio.get_running_loop()
    queue = iter(requests)
    done = [loop.create_future() for _ in range(connections)]
    talks = [_Talk(queue, it) for it in done]
    for talk in talks:
        await _connect(talk, port)
    began = time.perf_counter()
    for talk in talks:
        talk.next()
    await asyncio.gather(*done)
    took = time.perf_counter() - began
    for talk in talks:
        talk.close()
    return took


async def _connect(talk: _Talk, port: int) -> None:
    await asyncio.get_running_loop().create_connection(lambda: talk, "127.0.0.1", port)


class _Talk(asyncio.Protocol):
    def __init__(self, queue: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self._queue = queue
        self._done = done
        self._heard = b""
        self._wanted = -1  # bytes of the answer under way, once its head is there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionError("the server has hung up"))

    def next(self) -> None:
        following = next(self._queue, None)
        if following is not None:
            self._transport.write(following)
        elif not self._done.done():
            self._done.set_result(None)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if self._wanted < 0:
            end = self._heard.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._heard[:end].lower()
            if b" 200 " not in head[:16]:
                self._done.set_exception(AssertionError(self._heard[:300]))
                return
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._wanted = end + 4 + int(length)
        if len(self._heard) >= self._wanted:
            self._heard, self._wanted = b"", -1
            self.next()
