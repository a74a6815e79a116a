"""Everything around an alert, real: what is ours is the metric that trips the rule.

Durations are shortened, and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from servers import HttpServer, alertmanager, eventually, free_port, http_server, prometheus
from upshift_controller.demo.receiving.receiver import Receiver, listening

BUSY = Path(__file__).with_name("busy.py")
INSTANCES = ("checkout-1", "checkout-2")
BOOST_S = 16

#: The user's own block, `duration: 10m` apart.
UPSHIFT = f"""
sampling:
  default: 19

  on_alert:
    - trigger: high_cpu
      frequency: 100
      duration: {BOOST_S}s

    - trigger: high_latency
      frequency: 49
      duration: 15m
"""
ALERTMANAGER = """
route:
  receiver: upshift
  group_by: [alertname, service_name]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: upshift
    webhook_configs:
      - url: {upshift}/api/v1/webhook/alertmanager
        send_resolved: true
"""
PROMETHEUS = """
global:
  scrape_interval: 500ms
  evaluation_interval: 500ms
rule_files: [rules.yml]
scrape_configs:
  - job_name: checkout
    static_configs:
      - targets: ["{exporter}"]
alerting:
  alertmanagers:
    - static_configs:
        - targets: ["{alertmanager}"]
"""
RULES = """
groups:
  - name: checkout
    rules:
      - alert: HighCPU
        # Over some seconds, as rules are: else a scrape that comes late is a resolved alert.
        expr: max_over_time(checkout_load[10s]) > 0.8
        for: 1s
"""


class Exporter:
    """The application's load, as Prometheus scrapes it; the test turns it up and down."""

    load = 0.2

    async def metrics(self, request: web.Request) -> web.Response:
        labels = 'service_name="checkout",environment="production"'
        return web.Response(text=f"checkout_load{{{labels}}} {self.load}\n")

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/metrics", self.metrics)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


@dataclass(frozen=True, kw_only=True)
class World:
    upshift: HttpServer
    exporter: Exporter
    receiver: Receiver
    ledgers: Mapping[str, Path]

    def all_applied(self, hz: int) -> bool:
        """Whether every instance has confirmed this frequency, and it is the one it should have."""
        agents = self.upshift.get("/api/v1/targets/service/checkout")["agents"]
        confirmed = [it["applied"]["profiles"]["cpu"]["hz"] for it in agents if it["converged"]]
        return confirmed.count(hz) == len(INSTANCES)

    def history(self) -> list[str]:
        """What happened to the target, oldest first."""
        entries = self.upshift.get("/api/v1/history?target=service/checkout")["entries"]
        return [entry["event"] for entry in reversed(entries)]


@asynccontextmanager
async def world(folder: Path, redis_url: str) -> AsyncIterator[World]:
    """All of it, started in the order in which each needs the others."""
    receiver, exporter = Receiver(), Exporter()
    async with AsyncExitStack() as stack:
        receiver_url = await stack.enter_async_context(listening(receiver))
        exporter_at = await stack.enter_async_context(exporter.listening())
        upshift = stack.enter_context(upshift_serve(folder / "upshift", redis_url))
        alerts = stack.enter_context(
            alertmanager(folder / "alertmanager", ALERTMANAGER.format(upshift=upshift.url))
        )
        scrape = PROMETHEUS.format(exporter=exporter_at, alertmanager=f"127.0.0.1:{alerts.port}")
        stack.enter_context(prometheus(folder / "prometheus", scrape, rules=RULES))
        ledgers = {
            name: stack.enter_context(busy(name, folder / name, redis_url, receiver_url))
            for name in INSTANCES
        }
        yield World(upshift=upshift, exporter=exporter, receiver=receiver, ledgers=ledgers)


@contextmanager
def upshift_serve(folder: Path, redis_url: str) -> Iterator[HttpServer]:
    port = free_port()
    folder.mkdir()
    config = folder / "upshift.yaml"
    config.write_text(UPSHIFT)
    command = [str(Path(sys.executable).with_name("upshift")), "serve", f"--config={config}"]
    command += [f"--listen=127.0.0.1:{port}", f"--redis={redis_url}"]
    with http_server(folder, port, *command) as server:
        yield server


@contextmanager
def busy(instance: str, folder: Path, redis_url: str, receiver_url: str) -> Iterator[Path]:
    """One instance of the busy application; yields its ledger."""
    folder.mkdir()
    ledger = folder / "ledger"
    environment = os.environ | {
        "UPSHIFT_REDIS_URL": redis_url,
        "OTEL_SERVICE_NAME": "checkout",
        "OTEL_RESOURCE_ATTRIBUTES": (
            f"deployment.environment.name=production,service.instance.id={instance}"
        ),
    }
    command = [sys.executable, str(BUSY), receiver_url, str(ledger)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        eventually(ledger.exists)
        yield ledger
        assert process.poll() is None, (folder / "log").read_text()
    finally:
        process.terminate()
        process.wait(10)
