"""Composition root: builds everything once, starts it in order, stops it in reverse."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from upshift_agent.contract import Keys

from . import log as logs
from .configuration import Configuration, load
from .errors import StartRefused, Unavailable
from .leasing.canaries import Canaries
from .leasing.committer import Committed, Committer
from .leasing.control import Control
from .leasing.expiry import Schedule
from .leasing.limiter import Limiter
from .leasing.newcomers import Newcomers
from .metrics import Metrics
from .settings import check_exposure, needs_restart
from .sources.alertmanager.api import Truncated
from .storage.budgets import RedisBudgets
from .storage.connect import Servers
from .storage.embedded import embedded_valkey
from .storage.keeping import Keeping
from .storage.records import Records
from .storage.store import Store
from .storage.unreadable import Unreadable
from .supervised import supervised
from .views.overview import Overview
from .web import api, events, health, openapi, problems, routes, webhook
from .web.listener import listening, load_certificate

log = structlog.get_logger()


class Controller:
    """A controller over one Redis. `configure` reads the configuration, at start and on reload.

    own_redis: that Redis is a part of this process, so its health counts as ours.
    """

    def __init__(
        self, configure: Callable[[], Configuration], redis_url: str, *, own_redis: bool = False
    ) -> None:
        self._configure = configure
        self._configuration = configuration = configure()
        settings = configuration.settings
        self.tls = configuration.tls
        self._bound = settings.listen
        self.metrics = metrics = Metrics()
        self._servers = Servers(redis_url)
        #: For whoever only looks: no number of them keeps a commit waiting for a connection.
        self._looks = Servers(redis_url)
        keys = Keys(settings.namespace)
        unreadable = Unreadable(lambda what: metrics.unreadable.labels(what).inc())
        self.store = Store(
            self._servers,
            keys,
            secrets=configuration.secrets,
            history_length=settings.history_length,
            unreadable=unreadable,
        )
        self.keeping = Keeping(self.store, unreadable)
        self.records = Records(self._looks, keys, unreadable)
        self._shown = Store(self._looks, keys, secrets=configuration.secrets, unreadable=unreadable)
        self.limiter = Limiter(
            RedisBudgets(self._servers, keys, unreadable),
            Records(self._servers, keys, unreadable),
            lambda: self.control.rules.baseline,
            configuration.limits,
        )
        self.committer = Committer(
            self.store,
            self.limiter,
            committed=self._committed,
            conflicted=metrics.conflicts.inc,
            took=metrics.commit_seconds.observe,
        )
        self._own_redis = own_redis
        self.readiness = health.Readiness(self.committer.probe, metrics.ready.set)
        self.canaries = Canaries(self.store, self.committer)
        self.control = Control(
            self.store,
            self.committer,
            configuration.rules,
            Newcomers(lambda: self.limiter.limits.max_new_targets),
        )
        self.overview = Overview(self._shown, self.records, lambda: self.control.rules.baseline)
        self.schedule = Schedule(self.control.revert_due, self._tidy)
        self._truncated = Truncated(lambda: self._configuration.settings.alertmanager)
        self._signed = False  # whether all states are known to be signed with the first secret
        self._configured()

    def web_app(self) -> web.Application:
        max_bytes = int(self._configuration.settings.max_body_mib * 1024 * 1024)
        app = web.Application(
            client_max_size=max_bytes,
            middlewares=[problems.middleware(self.metrics.reject)],
        )
        served = [
            *webhook.routes(self.control, self.metrics, self._truncated),
            *api.routes(self.control, self.overview, self.records),
            *events.routes(self.records),
            *health.routes(self.metrics, self.readiness, self.reload, own_redis=self._own_redis),
        ]
        served.append(_openapi_route(served))
        routes.add(app, served, lambda: self._configuration.tokens)
        return app

    @asynccontextmanager
    async def committing(self) -> AsyncIterator[None]:
        """Only commit what is asked for."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._servers.aclose)
            stack.push_async_callback(self._looks.aclose)
            stack.push_async_callback(self.readiness.aclose)
            await stack.enter_async_context(self._supervised("committer", self.committer.run))
            yield

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Commit, revert and sweep for as long as the context lasts."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.committing())
            self.schedule.start()
            stack.callback(self.schedule.stop)
            await self.schedule.sweep()
            with suppress(Unavailable):  # as the sweep has said
                await self.keeping.warn_of_eviction()
            await stack.enter_async_context(self._supervised("sweep", self.schedule.sweep_forever))
            watch = partial(self._truncated.watch, self.control.receive)
            await stack.enter_async_context(self._supervised("absences", watch))
            yield

    def _supervised(
        self, name: str, work: Callable[[], Awaitable[None]]
    ) -> AbstractAsyncContextManager[None]:
        return supervised(name, work, lambda name: self.metrics.restarts.labels(name).inc())

    async def reload(self) -> str:
        """Put rules and tokens of the files in force. Raise `StartRefused`, changing nothing."""
        try:
            configuration = self._configure()
            if configuration.empty and not self._configuration.empty:
                raise StartRefused(
                    "the configuration's file says nothing, or is gone, as after a write that was "
                    "cut short; to go without it, restart"
                )
            # It is still bound where it was, whatever `listen` says by now.
            check_exposure(self._bound, has_tokens=not configuration.tokens.none)
        except StartRefused as error:
            self.metrics.reload_success.set(0)
            log.error("reload refused; the configuration in force stays", problem=str(error))
            raise
        after, moved = (
            configuration.settings,
            needs_restart(self._configuration.settings, configuration.settings),
        )
        if self.tls and after.tls:
            load_certificate(self.tls, after.tls)
        former, self._configuration = self._configuration, configuration
        self.control.put_in_force(configuration.rules)
        self._signed = self._signed and self.store.secrets == configuration.secrets
        self.store.secrets = self._shown.secrets = configuration.secrets
        self.limiter.limits = configuration.limits
        self._configured()
        with suppress(Unavailable):  # the sweep will
            await self._tidy()
        done = f"{len(configuration.rules.rules)} rules from {configuration.rules_from}"
        if configuration.rules_from != former.rules_from:
            done += f" in place of those from {former.rules_from}"
        log.info("reloaded", rules=done, needs_restart=moved or None)
        return f"reloaded: {done}" + (f"; restart for: {', '.join(moved)}" if moved else "")

    def _configured(self) -> None:
        self.metrics.reload_success.set(1)
        self.metrics.reload_time.set_to_current_time()

    def _committed(self, done: Committed) -> None:
        # First what ends leases: nothing that goes wrong in telling of it comes between.
        if (expiry_ms := done.state.next_expiry_ms) is not None:
            self.schedule.expect(expiry_ms, done.now_ms)
        self.canaries.notice(done.state)
        self.metrics.committed(done)
        for entry in done.entries:
            logs.change(done, entry)

    async def _tidy(self) -> None:
        await self.readiness.check()  # also for the metric, which nobody else may ask for
        if not self._signed:
            secrets = self.store.secrets
            count = await self.control.sign_anew()
            # Not before nothing is left to sign, and not if a reload came meanwhile.
            self._signed = not count and self.store.secrets is secrets
            if count:
                log.info("signed anew with the first secret", targets=count)
        await self.keeping.look_after()
        await self.control.publish_baseline()
        await self.records.sweep()
        await self.canaries.look_after()  # in a flood of alerts it has to wait, and may


def without_password(url: str) -> str:
    """A Redis URL that may be shown: a password may also stand among its parameters."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "a URL that cannot be shown"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


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
            redis_for_agents=without_password(redis_url),
            rules=f"{len(configuration.rules.rules)} from {configuration.rules_from}",
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


def _openapi_route(served: list[routes.Route]) -> routes.Route:
    async def show(_: web.Request) -> web.Response:
        return web.json_response(openapi.document(served))

    return routes.Route(
        method="GET", path="/api/v1/openapi.json", handler=show, role=None, summary="This document."
    )
