"""A bridge as a process: everything is made here, and ended. Needs aiohttp, as both bridges do."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from aiohttp import web

from ..errors import StartRefused
from ..running.metrics import Metrics
from ..said import log, to_stderr
from .agents import Agents
from .metrics import text
from .reading import Settings, Which, load, tls_of
from .settings import ElasticEntry, OpampEntry

#: For the last frequencies to be told.
END_S = 5.0
#: A connection without a complete request is closed after this time.
IDLE_S = 75.0


class Bridge(Protocol):
    """What either of them is, on its event loop."""

    agents: Agents

    def add_to(self, app: web.Application) -> None:
        """Its routes."""

    def counts(self) -> Mapping[str, int]:
        """As `metrics.COUNTS` names them. From any thread."""

    async def close(self, timeout_s: float) -> None:
        """Its agents end, each at its baseline."""


def serve(config: Path | None, which: Which) -> None:
    """Run until SIGTERM or SIGINT. Raise `StartRefused`."""
    settings = load(config, which)
    to_stderr()
    asyncio.run(_until_told(settings, which))


async def _until_told(settings: Settings, which: Which) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings, which) as (_, url):
        log.info("the %s bridge listens on %s", which, url)
        await stop.wait()
        log.info("ending: every agent to its baseline")


@asynccontextmanager
async def running(settings: Settings, which: Which) -> AsyncIterator[tuple[Bridge, str]]:
    """The bridge at work, and the URL that it listens on. Raise `StartRefused`."""
    bridge, entry = _made(settings, which)
    tls = tls_of(settings.folder, entry.tls)
    _allow_many_connections()
    logging.getLogger("aiohttp.server").addFilter(_no_broken_requests)
    app = web.Application()
    bridge.add_to(app)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=2.0, keepalive_timeout=IDLE_S, auto_decompress=False
    )
    await runner.setup()
    metrics = _metrics(settings, which, bridge)
    try:
        host, _, port = entry.listen.rpartition(":")
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port), ssl_context=tls).start()
        except OSError as error:
            raise StartRefused(f"cannot listen on {entry.listen}: {error.strerror}") from error
        yield bridge, f"{'https' if tls else 'http'}://{entry.listen}"
    finally:
        for site in list(runner.sites):
            await site.stop()  # who comes now would find nobody
        await bridge.close(END_S)
        await runner.cleanup()
        if metrics is not None:
            metrics.close()


def _made(settings: Settings, which: Which) -> tuple[Bridge, OpampEntry | ElasticEntry]:
    """The bridge, and its section of the settings."""
    opamp, elastic = settings.document.opamp, settings.document.elastic
    if which == "opamp" and opamp is not None:
        from .opamp.server import OpampBridge

        return OpampBridge(settings, opamp), opamp
    if which == "elastic" and elastic is not None:
        from .elastic.proxy import ElasticBridge

        return ElasticBridge(settings, elastic), elastic
    raise StartRefused(f"{which} is missing: it is what is to run")


def _metrics(settings: Settings, which: Which, bridge: Bridge) -> Metrics | None:
    address = settings.document.metrics
    if address is None:
        return None
    try:
        return Metrics(address, lambda: text(which, bridge.agents.states(), bridge.counts()))
    except OSError as error:
        why = error.strerror or error
        raise StartRefused(f"metrics cannot be served on {address}: {why}") from error


def _allow_many_connections() -> None:
    """A file for each; the soft limit is 1024 nearly everywhere."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _no_broken_requests(record: logging.LogRecord) -> bool:
    """Whatever arrives at an open port is nobody's fault here."""
    return record.exc_info is None or "BadHttp" not in str(record.exc_info[0])
