"""Webhooks as fast as one server takes them in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from servers import HttpServer

from ..measuring.load import flood, request
from ..measuring.row import Sampler
from ..measuring.side import Side
from .alerts import WEBHOOK, one


class Load:
    """Floods one server; each flood says (alerts a second, µs of CPU an alert)."""

    def __init__(self, side: Side, server: HttpServer, path: str = WEBHOOK) -> None:
        self._side = side
        self._server = server
        self._path = path
        self._numbers = count()

    def new(self, number: int) -> list[bytes]:
        """So many webhooks of one alert each, about targets never heard of."""
        return [self.request(one(f"svc-{next(self._numbers)}")) for _ in range(number)]

    def request(self, body: bytes) -> bytes:
        return request(self._path, body)

    def send(self, requests: Sequence[bytes], alerts: int = 1) -> tuple[float, float]:
        """alerts: in each of the requests."""
        cpu_s = self._side.cpu_s()
        took_s = flood(self._server.port, requests, self._side.of(32, tiny=4))
        total = alerts * len(requests)
        return total / took_s, (self._side.cpu_s() - cpu_s) / total * 1e6


def singles(side: Side, server: HttpServer, path: str = WEBHOOK) -> Sampler:
    """Floods of webhooks of one alert each, all about targets never heard of."""
    load, number = Load(side, server, path), side.of(250, tiny=20)
    load.send(load.new(2 * number))
    return lambda: load.send(load.new(number))
