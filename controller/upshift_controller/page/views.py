"""The views and what their forms do, each a line in `views`: what is asked, and which template."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from upshift_agent.contract import ALL, CPU, FLEET

from ..configuration import InForce
from ..leasing.overrides import Overrides, asked_by
from ..storage.history import Histories
from ..views.overview import Overview
from ..web.events import News, told
from ..web.route import CALLER
from .asking import asked, duration_ms, target_of
from .now import Now, cores, now
from .shell import Handler, Shell
from .target import ENTRIES, target
from .wording import target_url

#: All pages are shown what one look has found, for so long.
RECENT_S = 1.0
#: Open pages of one token.
MAX_PAGES = 500


class Views:
    """reserved: how many agents are boosted, and may be. warnings: as the API's."""

    def __init__(
        self,
        shell: Shell,
        in_force: InForce,
        overview: Overview,
        overrides: Overrides,
        histories: Histories,
        news: News,
        reserved: Callable[[int], Awaitable[tuple[int, int] | None]],
        warnings: Callable[[], list[str]],
    ) -> None:
        self._shell = shell
        self._in_force = in_force
        self._overview = overview
        self._overrides = overrides
        self._histories = histories
        self._news = news
        self._reserved = reserved
        self._warnings = warnings
        self._looking: asyncio.Task[Now] | None = None
        self._looked_at = 0.0

    def views(self) -> Mapping[str, Handler]:
        return {
            "GET /": self._now,
            "GET /target/{target:.+}": self._target,
            "GET /preview": self._preview,
            "POST /leases": self._grant,
            "POST /release": self._release,
            "POST /stop": self._stop,
            "GET /live": self._live,
        }

    async def _now(self, request: web.Request) -> web.StreamResponse:
        found = await self._recent()
        return self._shell.show(request, "now.html", title="Now", it=found)

    async def _recent(self) -> Now:
        """What the newest look has found; one at a time, however many ask."""
        stale = time.monotonic() - self._looked_at > RECENT_S
        if self._looking is None or (self._looking.done() and stale):
            self._looked_at = time.monotonic()
            self._looking = asyncio.create_task(self._look(), name="page")
        return await asyncio.shield(self._looking)

    async def _look(self) -> Now:
        leases = await self._overview.leases()
        targets = await self._overview.targets(self._warnings())
        reserved = await self._reserved(leases.now_ms)
        costs = self._in_force.now.settings.cost
        return now(targets, leases, reserved, self._in_force.baseline(), costs)

    async def _target(self, request: web.Request) -> web.StreamResponse:
        name = target_of(request.match_info["target"])
        view = await self._overview.target(name)
        history = await self._histories.newest([name], ENTRIES)
        found = await asyncio.to_thread(target, view, history)
        return self._shell.show(request, "target.html", title=name, it=found)

    async def _preview(self, request: web.Request) -> web.StreamResponse:
        """What a form would do, before it is done."""
        it = asked(request.query)
        view = await self._overview.target(it.target)
        live = [one for one in view.agents if one.state != "lost"]
        resting = sorted(
            {one.requested.profiles[CPU].hz for one in live if CPU in one.requested.profiles}
        )
        costs = self._in_force.now.settings.cost
        return self._shell.show(
            request,
            "preview.html",
            title=f"{it.kind} {it.target}?",
            asked=it,
            agents=len(live),
            resting=resting,
            near=view.near,
            cores=cores(it.kind, CPU, it.hz, len(live), self._in_force.baseline(), costs),
            limits=self._in_force.limits_in_words(),
        )

    async def _grant(self, request: web.Request) -> web.StreamResponse:
        it = asked(await request.post())
        cause = asked_by(request[CALLER].name or "the page", reason=it.reason)
        outcome = await self._overrides.grant(
            it.target, it.kind, it.hz, it.duration_ms, where={}, cause=cause
        )
        return self._shell.done(target_url(it.target), outcome.reason)

    async def _stop(self, request: web.Request) -> web.StreamResponse:
        """The kill switch: every profiler of the fleet off."""
        form = await request.post()
        lasts_ms = duration_ms(str(form.get("duration", "1h")))
        cause = asked_by(request[CALLER].name or "the page", reason=str(form.get("reason", "")))
        outcome = await self._overrides.grant(
            FLEET, "cap", 0, lasts_ms, profile=ALL, where={}, cause=cause
        )
        return self._shell.done("/", outcome.reason)

    async def _release(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        cause = asked_by(request[CALLER].name or "the page")
        outcome = await self._overrides.release(str(form.get("lease", ""))[:300], cause=cause)
        where = str(form.get("from", "/"))
        ours = where if where.startswith(("/target/", "/timeline")) else "/"
        return self._shell.done(ours, outcome.reason)

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """A line for each change, so that open pages look again."""
        name = f"{request[CALLER].name} at the page"
        return await told(request, self._news, name, most=MAX_PAGES, empty=True)
