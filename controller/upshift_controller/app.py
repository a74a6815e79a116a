"""A controller: builds everything once, starts it in order, stops it in reverse; reloads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import structlog
from aiohttp import web

from upshift_rules.model import BadTrigger, Trigger

from . import log as logs
from .configuration import Configuration, InForce
from .core import Core
from .errors import StartRefused, Unavailable
from .leasing.canaries import Canaries
from .leasing.committer import Committed
from .leasing.expiry import Schedule
from .metrics import Metrics
from .runtime.supervised import supervised
from .settings import check_exposure, needs_restart
from .sources.past.recording import Kept, Recorder
from .storage.connect import Servers
from .storage.history import Histories
from .storage.keeping import Keeping
from .storage.reports.evidence import Evidence
from .storage.reports.records import Records
from .storage.reports.versions import Versions
from .storage.states import States
from .storage.unreadable import Unreadable
from .views.overview import Overview
from .watches import Watches
from .web import api, events, health, openapi, problems, reports, route, webhook
from .web.listener import load_certificate
from .web.triggers import rollouts

log = structlog.get_logger()


class Controller:
    """A controller over one Redis. `configure` reads the configuration, at start and on reload.

    own_redis: that Redis is a part of this process, so its health counts as ours.
    """

    def __init__(
        self, configure: Callable[[], Configuration], redis_url: str, *, own_redis: bool = False
    ) -> None:
        self._configure = configure
        self._in_force = in_force = InForce(configure())
        self.tls = in_force.now.tls
        self._bound = in_force.now.settings.listen
        self._own_redis = own_redis
        self.metrics = metrics = Metrics()
        unreadable = Unreadable(lambda what: metrics.unreadable.labels(what).inc())
        core = self._core = Core(
            in_force,
            redis_url,
            unreadable,
            committed=self._committed,
            conflicted=metrics.conflicts.inc,
            took=metrics.commit_seconds.observe,
            restarted=self._restarted,
            answered=metrics.answered,
        )
        self.store, self.committer = core.store, core.committer
        self.triggers, self.overrides, self._upkeep = core.triggers, core.overrides, core.upkeep
        #: For whoever only looks: no number of them keeps a commit waiting for a connection.
        self._looks = Servers(redis_url)
        self.records = Records(self._looks, core.keys, unreadable)
        self.histories = Histories(self._looks, core.keys, unreadable)
        shown = States(self._looks, core.keys, secrets=in_force.secrets, unreadable=unreadable)
        self.overview = Overview(shown, self.records, in_force.baseline)
        self.readiness = health.Readiness(self.committer.probe, metrics.ready.set)
        self.canaries = Canaries(self.store, self.committer)
        self.keeping = Keeping(self.store, unreadable)
        self.schedule = Schedule(self._upkeep.revert_due, self._tidy)
        self.versions = Versions(self._looks, core.keys, unreadable)
        folder = in_force.now.settings.record
        self.recorder = Recorder(Path(folder), self._recorded) if folder else None
        record = self._record if self.recorder else None
        evidence = Evidence(self._looks, core.keys, unreadable)
        self.watches = Watches(core, in_force, metrics, self.versions, evidence, record)
        self._signed = False  # whether all states are known to be signed with the first secret
        self._configured()

    def web_app(self) -> web.Application:
        max_bytes = int(self._in_force.now.settings.max_body_mib * 1024 * 1024)
        app = web.Application(
            client_max_size=max_bytes,
            middlewares=[problems.middleware(self.metrics.reject)],
        )
        served = [
            *webhook.routes(self.triggers, self.metrics, self.watches.lists, self._record),
            *api.routes(
                self.triggers,
                self.overrides,
                self.overview,
                self.histories,
                self.records.forget,
                self._in_force.limits_in_words,
                self.watches.lists.problems,
                self.watches.schedules,
            ),
            *rollouts.routes(self.versions, self.triggers, self._in_force.on_rollout),
            *reports.routes(self.watches.reporter, self.histories, self.watches.redis_ms),
            *events.routes(self.histories),
            *health.routes(
                self.metrics, self.readiness, self.reload, self._look, own_redis=self._own_redis
            ),
        ]
        served.append(_openapi_route(served))
        route.add(app, served, self._in_force.tokens)
        return app

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Commit, revert and sweep for as long as the context lasts."""
        async with AsyncExitStack() as stack:
            if self.recorder is not None:
                stack.callback(self.recorder.drain)
            stack.push_async_callback(self._looks.aclose)
            await stack.enter_async_context(self._core.committing())
            stack.push_async_callback(self.readiness.aclose)
            stack.callback(self.schedule.stop)
            await stack.enter_async_context(
                self._supervised("reverts", self.schedule.revert_forever)
            )
            await self.schedule.sweep()
            with suppress(Unavailable):  # as the sweep has said
                await self.keeping.warn_of_eviction()
            await stack.enter_async_context(self._supervised("sweep", self.schedule.sweep_forever))
            for name, work in self.watches.works():
                await stack.enter_async_context(self._supervised(name, work))
            stack.push_async_callback(self.watches.drain)
            yield

    async def _look(self) -> None:
        """Bring the metrics' figures of the fleet up to date."""
        await self.metrics.fleet.refresh(self.overview.fleet, self._core.limiter.books.reserved)

    def _supervised(
        self, name: str, work: Callable[[], Awaitable[None]]
    ) -> AbstractAsyncContextManager[None]:
        return supervised(name, work, self._restarted)

    def _record(self, alerts: Sequence[Trigger | BadTrigger], size: int) -> None:
        if self.recorder is not None:
            self.recorder.keep(alerts, size)

    def _recorded(self, outcome: Kept) -> None:
        self.metrics.recorded.labels(outcome).inc()

    def _restarted(self, task: str) -> None:
        self.metrics.restarts.labels(task).inc()

    async def reload(self) -> str:
        """Put rules and tokens of the files in force. Raise `StartRefused`, changing nothing."""
        former = self._in_force.now
        try:
            configuration = self._configure()
            if configuration.empty and not former.empty:
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
        moved = needs_restart(former.settings, configuration.settings)
        if self.tls and configuration.settings.tls:
            load_certificate(self.tls, configuration.settings.tls)
        self._in_force.now = configuration
        self._signed = self._signed and former.secrets == configuration.secrets
        self._configured()
        self.watches.reloaded()
        with suppress(Unavailable):  # the sweep will
            await self._tidy()
        done = f"{configuration.entries} rules from {configuration.rules_from}"
        if configuration.rules_from != former.rules_from:
            done += f" in place of those from {former.rules_from}"
        log.info("reloaded", rules=done, needs_restart=moved or None)
        return f"reloaded: {done}" + (f"; restart for: {', '.join(moved)}" if moved else "")

    def _configured(self) -> None:
        self.metrics.reload_success.set(1)
        self.metrics.reload_time.set_to_current_time()
        for it in self._in_force.now.unasked():
            log.warning("a guard is never asked", problem=str(it))

    def _committed(self, done: Committed) -> None:
        # First what ends leases: nothing that goes wrong in telling of it comes between.
        if (expiry_ms := done.state.next_expiry_ms) is not None:
            self.schedule.expect(expiry_ms, done.now_ms)
        self.canaries.notice(done.state)
        self.watches.committed(done)
        self.metrics.committed(done)
        for entry in done.entries:
            logs.change(done, entry)

    async def _tidy(self) -> None:
        await self.readiness.check()  # also for the metric, which nobody else may ask for
        if not self._signed:
            configuration = self._in_force.now
            count = await self._upkeep.sign_anew()
            # Not before nothing is left to sign, and not if a reload came meanwhile.
            self._signed = not count and self._in_force.now is configuration
            if count:
                log.info("signed anew with the first secret", targets=count)
        await self.keeping.look_after()
        await self._upkeep.publish_baseline()
        await self.records.sweep()
        await self.versions.forget_old()
        await self.canaries.look_after()  # in a flood of alerts it has to wait, and may


def _openapi_route(served: list[route.Route]) -> route.Route:
    async def show(_: web.Request) -> web.Response:
        return web.json_response(openapi.document(served))

    return route.Route(
        method="GET", path="/api/v1/openapi.json", handler=show, role=None, summary="This document."
    )
