"""All views of the page, of the parts of a controller."""

from __future__ import annotations

from aiohttp import web

from ..configuration import InForce
from ..core import Core
from ..storage.history import Histories
from ..views.overview import Overview
from ..watches import Watches
from ..web.events import News
from ..web.health import Readiness
from ..web.reports import Reports
from .past import Past
from .shell import Shell
from .views import Views


def serve(
    app: web.Application,
    in_force: InForce,
    core: Core,
    readiness: Readiness,
    overview: Overview,
    histories: Histories,
    news: News,
    watches: Watches,
    reports: Reports,
) -> None:
    shell = Shell(in_force.tokens, readiness)
    views = Views(
        shell,
        in_force,
        overview,
        core.overrides,
        histories,
        news,
        core.limiter.books.reserved,
        watches.lists.problems,
    )
    past = Past(
        shell,
        in_force,
        histories,
        core.triggers,
        watches.schedules,
        watches.redis_ms,
        reports.of,
    )
    shell.add(app, {**views.views(), **past.views()})
