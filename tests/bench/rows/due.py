"""A mass of expiries must not be late."""

from __future__ import annotations

import json
import socket
import time
from itertools import count

from ..measuring.row import Line, Row, Sampler, at_most
from ..measuring.side import Side


def product(side: Side) -> Sampler:
    number = side.of(10_000, tiny=20)
    caller = side.caller(side.controller)
    seeding = side.seed("states", number, 1, 2500 + number // 4)  # ms ahead: until all is seeded
    numbers = count()

    def sample() -> tuple[float]:
        name = next(numbers)
        due_s = int(seeding.ask(f"due-{name}")) / 1000
        assert time.time() < due_s - 1, "seeding took so long that the leases were due meanwhile"
        # The controller looks every 5 s at what others have granted; a lease of its own that ends
        # before makes it look at once.
        wake = {"target": f"service/wake-{name}", "kind": "boost", "hz": 50, "duration": "1s"}
        caller.post("/api/v1/leases", json.dumps(wake).encode())
        wait_for_messages(side.redis.port, number)
        return (time.time() - due_s,)

    return sample


def wait_for_messages(port: int, number: int) -> None:
    """Until so many plans of the targets have been pushed."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(60)
        connection.sendall(b"PSUBSCRIBE upshift:v1:*service/due-*:changes\r\n")
        seen, rest = 0, b""
        while seen < number:
            rest += connection.recv(1 << 20)
            *lines, rest = rest.split(b"\r\n")
            seen += lines.count(b"pmessage")


LINE = Line("10,000 leases due at once, until the last is published", "s", at_most(2, "s"))
ROWS = [Row(lines=[LINE], product=product, seconds=0)]
