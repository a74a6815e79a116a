"""Webhooks that do not arrive, and a list that cannot be read meanwhile: what is granted how soon
after the list can be read again. Debian's Alertmanager, and a current one where it was built."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import requests

from parts import program
from servers import HttpServer, alertmanager, eventually, redis_server

from ..network.proxy import Proxy, proxy
from ..parts.controllers import Controller, controller, monotonic_of
from ..table import Row, Size

#: From when the list can be read to the boost; lists are read each 30 s.
MADE_GOOD_S = 35.0
BLOCKED_S = 120
#: In the small size somebody reloads, which has lists read at once, yet not twice in 5 s.
SMALL_BLOCKED_S = 2
RULES = """
alertmanager: {{urls: ["http://127.0.0.1:{port}"]}}
sampling:
  on_alert:
    - {{trigger: high_cpu, frequency: 100, duration: 10m}}
"""
#: But for `group_wait`, all is as Alertmanager has it unless somebody says otherwise.
ROUTE = """
route: {{receiver: upshift, group_by: [service_name], group_wait: 0s}}
receivers:
  - name: upshift
    webhook_configs: [{{url: "http://127.0.0.1:{port}/api/v1/webhook/alertmanager"}}]
"""


class Plain(Proxy):
    """One of any bytes. refusing: whoever connects is turned away at once."""

    refusing = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.close()
        else:
            await super()._accept(reader, writer)

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._up(reader, writer)

    def to(self, port: int) -> None:
        self._redis_port = port


@dataclass
class World:
    """An Alertmanager and a controller. Webhooks, and the list, each pass a proxy."""

    name: str
    front: HttpServer
    upshift: Controller
    redis_url: str
    webhooks: Plain
    lists: Plain

    def fires(self, service: str) -> None:
        alert = {
            "labels": {"alertname": "HighCPU", "service_name": service},
            "startsAt": datetime.now(UTC).isoformat(),
        }
        url = f"{self.front.url}/api/v2/alerts"
        requests.post(url, json=[alert], timeout=10).raise_for_status()

    def heal(self, *, at_worst: bool) -> float:
        """Let the list be read, and return from when on. at_worst: just after it was tried."""
        failed = self.reads("failed")
        if at_worst:
            eventually(lambda: self.reads("failed") > failed, within_s=40)
        self.lists.refusing = False
        return time.monotonic()

    def reads(self, outcome: str) -> float:
        url = f"http://127.0.0.1:{self.lists.port}"
        labels = f'alertmanager="{url}",outcome="{outcome}"'
        return self.upshift.metric(f"upshift_alertmanager_reads_total{{{labels}}}")

    def granted(self, services: Sequence[str]) -> list[int]:
        """When their boosts were granted, in Redis ms; also on a machine that is very busy."""

        def read() -> Sequence[Sequence[int]]:
            histories = (self.upshift.history(f"service/{name}") for name in services)
            return [[it["at_ms"] for it in one if it["event"] == "granted"] for one in histories]

        return [at_ms for several in eventually(read, within_s=60) for at_ms in several]


@contextmanager
def world(folder: Path, binary: str) -> Iterator[World]:
    with ExitStack() as stack:
        enter = stack.enter_context
        webhooks, lists = enter(proxy(0, Plain)), enter(proxy(0, Plain))
        config = ROUTE.format(port=webhooks.port)
        front = enter(alertmanager(folder / "alertmanager", config, program=binary))
        lists.to(front.port)
        server = enter(redis_server(folder / "redis"))
        rules = RULES.format(port=lists.port)
        upshift = enter(controller(folder, server.url, rules=rules))
        webhooks.to(upshift.port)
        version = front.get("/api/v2/status")["versionInfo"]["version"]
        yield World(version, front, upshift, server.url, webhooks, lists)


def webhook_blocked(folder: Path, size: Size) -> Row:
    """Alerts fire while neither webhooks nor the list get through; then the list does."""
    current = program("alertmanager")
    binaries = ["", *([str(current)] if size.full and current.exists() else [])]
    count, broken, took, names = size.of(20, 2), list[str](), list[float](), list[str]()
    with ExitStack() as stack:
        worlds = [
            stack.enter_context(world(folder / str(number), it))
            for number, it in enumerate(binaries)
        ]
        for it in worlds:
            names.append(it.name)
            eventually(lambda it=it: it.reads("read") > 0, within_s=20)
            it.webhooks.cut()
            it.lists.refusing = True
        until = time.monotonic() + size.of(BLOCKED_S, SMALL_BLOCKED_S)
        services = [f"s{number}" for number in range(count)]
        for service in services:
            for it in worlds:
                it.fires(service)
            # Spread over the time, so that they are at any place of Alertmanager's own waiting.
            time.sleep(max(0.0, (until - time.monotonic()) / count / 2))
        time.sleep(max(0.0, until - time.monotonic()))
        for it in worlds:
            if it.granted(services):
                broken.append(f"{it.name}: something got through")
            healed = it.heal(at_worst=size.full)
            if not size.full:
                it.upshift.post("/-/reload")
            # However slow the answers are on a busy machine, the history says when it was.
            eventually(
                lambda it=it: it.upshift.metric(_RECOVERED) >= count, within_s=MADE_GOOD_S + 60
            )
            clock_s = eventually(lambda it=it: monotonic_of(it.redis_url, 0), within_s=60)
            took += [clock_s + at_ms / 1000 - healed for at_ms in it.granted(services)]
            it.webhooks.heal()
        for it in worlds:  # the webhooks come after all, and grant nothing
            eventually(lambda it=it: it.upshift.metric(_REPEATS) >= 1, within_s=60)
            if (times := len(it.granted(services))) != count:
                broken.append(f"{it.name}: {times} boosts for {count} alerts")
    late = [it for it in took if it > MADE_GOOD_S]
    broken += [f"made good after {it:.1f} s" for it in late]
    return Row(
        fault=f"webhooks and lists blocked for {size.of(BLOCKED_S, SMALL_BLOCKED_S)} s, webhooks "
        f"for longer; Alertmanager {' and '.join(names)}",
        injected=count * len(worlds),
        promised=f"granted ≤ {MADE_GOOD_S:g} s after the list can be read, and once",
        worst=f"granted {max(took):.1f} s after",
        broken=broken,
    )


_RECOVERED = 'upshift_alerts_total{outcome="recovered"}'
_REPEATS = 'upshift_alerts_total{outcome="repeat"}'
