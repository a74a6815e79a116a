"""`upshift serve`: a controller as a process, with its Redis, its socket and its signals."""

from __future__ import annotations

import asyncio
import gc
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import structlog

from upshift_agent.contract.address import parse_address

from . import log as logs
from .app import Controller
from .configuration import load
from .errors import StartRefused
from .storage.own_valkey.embedded import embedded_valkey
from .web.listener import listening

log = structlog.get_logger()


async def serve(config: Path | None, **options: Any) -> None:
    """Run `upshift serve` until SIGINT or SIGTERM; SIGHUP reloads. Raise `StartRefused`."""
    logs.configure()
    configuration = load(config, **options)
    settings = configuration.settings
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # heard from the start, or a Valkey stays behind
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        redis_url = settings.redis
        if redis_url is None:
            redis_url = await stack.enter_async_context(embedded_valkey(Path(settings.data)))
        own = settings.redis is None
        controller = Controller(lambda: load(config, **options), redis_url, own_redis=own)
        await stack.enter_async_context(controller.running())
        address = await stack.enter_async_context(
            listening(controller.web_app(), settings.listen, controller.tls)
        )
        _collect_seldom()
        log.info(
            "upshift is up",
            url=address,
            webhook=f"{address}/api/v1/webhook/alertmanager",
            redis_for_agents=parse_address(redis_url).public,
            rules=f"{configuration.entries} from {configuration.rules_from}",
            tokens=len(settings.tokens) or "none, loopback only",
        )
        _reload_on_hang_up(controller)
        await stop.wait()
        log.info("stopping")


def _collect_seldom() -> None:
    """Python looks for cycles after every 700 new objects, an alert makes dozens and no cycle: a
    fifth of the time went there. What is there from the start is left alone for good."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _reload_on_hang_up(controller: Controller) -> None:
    reloads: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        with suppress(StartRefused):  # logged and counted where it was found
            await controller.reload()

    def hang_up() -> None:
        task = asyncio.create_task(reload(), name="reload")
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)
