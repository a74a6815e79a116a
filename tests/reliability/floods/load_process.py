"""Offers webhooks at a rate, whatever becomes of them, as many Alertmanagers would together.

Each carries one alert about a service of its own, so that afterwards each one that was accepted
can be looked for. At rate 0, each connection sends as soon as it has its answer.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

#: Three times what the controller lets wait.
MAX_CONNECTIONS = 1500
CLOSED_CONNECTIONS = 64
TICK_S = 0.005
ANSWERED_WITHIN_S = 30

ALERT = """{"version": "4", "receiver": "upshift", "alerts": [{"status": "firing",
"labels": {"alertname": "HighCPU", "service_name": "load-%08d", "environment": "production"},
"annotations": {"summary": "CPU over 80 %% for 5 minutes"}, "fingerprint": "%016x",
"startsAt": "2026-01-31T12:00:00.123456789Z", "endsAt": "0001-01-01T00:00:00Z",
"generatorURL": "http://prometheus:9090/graph"}]}"""
REQUEST = """POST /api/v1/webhook/alertmanager HTTP/1.1\r
Host: 127.0.0.1\r
User-Agent: Alertmanager/0.25.0\r
Content-Type: application/json\r
Content-Length: %d\r
\r
%s"""


def request(number: int) -> bytes:
    body = ALERT % (number, number)
    return (REQUEST % (len(body), body)).encode()


class Load:
    def __init__(self, port: int, rate: float, seconds: float, first: int) -> None:
        self.port, self.rate, self.seconds, self.next = port, rate, seconds, first
        self.first = first
        self.idle: list[Connection] = []
        self.connections = 0
        self.statuses: Counter[int] = Counter()
        self.accepted: list[int] = []
        self.slowest: dict[int, float] = {}
        self.answered_at = 0.0
        self.unsent = self.without_retry_after = self.lost = self.pending = 0

    async def run(self) -> dict[str, Any]:
        began = time.monotonic()
        self.end_at = began + self.seconds
        if self.rate == 0:
            for _ in range(CLOSED_CONNECTIONS):
                await self.offer()
            await asyncio.sleep(self.seconds)
        else:
            offered = 0
            while (now := time.monotonic()) < self.end_at:
                while offered < self.rate * (now - began):
                    offered += 1
                    await self.offer()
                await asyncio.sleep(TICK_S)
        took_s = time.monotonic() - began
        in_time = sum(self.statuses.values())
        give_up_at = time.monotonic() + ANSWERED_WITHIN_S
        while self.pending and time.monotonic() < give_up_at:  # noqa: ASYNC110  # a counter
            await asyncio.sleep(0.02)
        return {
            "sent": self.next - self.first,
            "took_s": took_s,
            "answered_per_s": in_time / took_s,
            "statuses": self.statuses,
            "slowest_s": self.slowest,
            "accepted": self.accepted,
            "unsent": self.unsent,
            "unanswered": self.pending,
            "lost_connections": self.lost,
            "without_retry_after": self.without_retry_after,
        }

    async def offer(self) -> None:
        if self.idle:
            self.idle.pop().send()
        elif self.connections < MAX_CONNECTIONS:
            self.connections += 1
            self.pending += 1
            # Not waited for: an open connection is one more that the controller has to serve.
            self._hold(asyncio.create_task(self.connect()))
        else:
            self.unsent += 1

    _tasks: set[asyncio.Task[None]] = set()  # noqa: RUF012  # one of these a process

    def _hold(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self), "127.0.0.1", self.port
            )
        except OSError:
            self.connections -= 1
            self.lost += 1
        else:
            connection.send()
        self.pending -= 1


class Connection(asyncio.Protocol):
    def __init__(self, load: Load) -> None:
        self.load = load
        self.number: int | None = None
        self.received = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def send(self) -> None:
        self.number = self.load.next
        self.load.next += 1
        self.load.pending += 1
        self.sent_at = time.monotonic()
        self.transport.write(request(self.number))

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self.received = b""
        self.answered(int(head[9:12]), b"\r\nretry-after:" in lower)

    def answered(self, status: int, retry_after: bool) -> None:
        load, number = self.load, self.number
        assert number is not None
        self.number = None
        load.pending -= 1
        load.statuses[status] += 1
        took_s = time.monotonic() - self.sent_at
        load.slowest[status] = max(load.slowest.get(status, 0.0), took_s)
        if status == 200:
            load.accepted.append(number)
        elif not retry_after:
            load.without_retry_after += 1
        if load.rate == 0 and time.monotonic() < load.end_at:
            self.send()
        else:
            load.idle.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.load.connections -= 1
        if self.number is not None:
            self.load.lost += 1
            self.load.pending -= 1
        elif self in self.load.idle:
            self.load.idle.remove(self)


def main(port: str, rate: str, seconds: str, first: str, output: str) -> None:
    report = asyncio.run(Load(int(port), float(rate), float(seconds), int(first)).run())
    with open(output, "w") as file:
        json.dump(report, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
