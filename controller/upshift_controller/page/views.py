"""The views and what their forms do, each a line in `views`: what is asked, and which template."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from upshift_agent.contract import ALL, FLEET, Cause
from upshift_rules.model import Outcome

from ..configuration import InForce
from ..errors import Refused
from ..leasing.overrides import Overrides, asked_by
from ..storage.history import Histories
from ..views.overview import Overview
from ..web.events import News, told
from ..web.route import CALLER
from .asking import asked, at_now, duration_ms, reached, target_of
from .now import Now, cores, now
from .shell import Handler, Shell, form, ours
from .target import ENTRIES, target
from .wording import target_url

#: All pages are shown what one look has found, for so long; and for so many times as long as it
#: took, so that however many look at however many agents, it costs no more than 7 % of a core.
RECENT_S, RECENT_TIMES = 1.0, 15
#: Open pages of one token.
MAX_PAGES = 500
#: Between looks at whether a page may still be told.
LOOK_S = 5.0


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
        self._fresh_until = 0.0

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
        stale = time.monotonic() > self._fresh_until
        if self._looking is None or (self._looking.done() and stale):
            self._looking = asyncio.create_task(self._look(), name="page")
        return await asyncio.shield(self._looking)

    async def _look(self) -> Now:
        began, self._fresh_until = time.monotonic(), 0.0
        try:
            targets, figures, leases = await self._overview.at_a_glance(self._warnings())
            reserved = await self._reserved(targets.now_ms)
        finally:
            ended = time.monotonic()
            self._fresh_until = ended + max(RECENT_S, RECENT_TIMES * (ended - began))
        access, costs = self._in_force.alertmanager(), self._in_force.now.settings.cost
        url = access.urls[0] if access else None
        return now(targets, figures, leases, reserved, self._in_force.baseline(), costs, url)

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
        agents = reached(it, view.agents)
        costs, baseline = self._in_force.now.settings.cost, self._in_force.baseline()
        return self._shell.show(
            request,
            "preview.html",
            title=f"{it.kind} {it.target}?",
            asked=it,
            agents=len(agents),
            resting=at_now(it, agents),
            near=view.near,
            cores=cores(it.kind, it.profile, it.hz, len(agents), baseline, costs),
            limits=self._in_force.limits_in_words(),
        )

    async def _grant(self, request: web.Request) -> web.StreamResponse:
        it = asked(await form(request))
        outcome = await self._overrides.grant(
            it.target,
            it.kind,
            it.hz,
            it.duration_ms,
            profile=it.profile,
            where={},
            cause=self._by(request, it.reason),
        )
        return self._done(target_url(it.target), outcome)

    async def _stop(self, request: web.Request) -> web.StreamResponse:
        """The kill switch: every profiler of the fleet off."""
        fields = await form(request)
        outcome = await self._overrides.grant(
            FLEET,
            "cap",
            0,
            duration_ms(fields.get("duration", "")),
            profile=ALL,
            where={},
            cause=self._by(request, fields.get("reason", "")),
        )
        return self._done("/", outcome)

    async def _release(self, request: web.Request) -> web.StreamResponse:
        fields = await form(request)
        lease = fields.get("lease", "")[:300]
        outcome = await self._overrides.release(lease, cause=self._by(request))
        self._looking = None
        return self._shell.done(ours(fields.get("from", "/")), outcome.reason)

    def _by(self, request: web.Request, reason: str = "") -> Cause:
        return asked_by(request[CALLER].name or "", via="page", reason=reason)

    def _done(self, where: str, outcome: Outcome) -> web.StreamResponse:
        if outcome.outcome != "granted":
            raise Refused(f"refused: {outcome.reason}", slug="refused", status=409)
        self._looking = None  # what it found is from before
        return self._shell.done(where, f"Granted: {outcome.reason}")

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """A line for each change, so that open pages look again."""
        name = f"{request[CALLER].name} at the page"
        return await told(request, self._news, name, most=MAX_PAGES, empty=True, each_s=LOOK_S)
