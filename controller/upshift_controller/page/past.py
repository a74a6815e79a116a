"""The views of what was, and of what would be: Time line, Rules, Report."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from upshift_rules.model import Trigger

from ..configuration import InForce
from ..errors import Refused
from ..evidence.shown import written
from ..evidence.shown.flame import flame
from ..leasing.triggers import Triggers
from ..sources.alertmanager.payload import parse_example
from ..storage.history import Histories, HistoryLine
from ..views.schedules import Schedules
from . import rules as ruling
from .shell import Handler, Shell, form
from .timeline import ENTRIES, SPANS_H, timeline

#: Targets whose history is looked at: the ones changed last.
TARGETS = 200
#: Next times of each schedule.
NEXT = 3

ReportOf = Callable[[str, str | None], Awaitable[dict[str, Any]]]


class Past:
    """report: of a lease or a target, compared with some days before."""

    def __init__(
        self,
        shell: Shell,
        in_force: InForce,
        histories: Histories,
        triggers: Triggers,
        schedules: Callable[[int], Awaitable[Schedules]],
        redis_ms: Callable[[], Awaitable[int]],
        report: ReportOf,
    ) -> None:
        self._shell = shell
        self._in_force = in_force
        self._histories = histories
        self._triggers = triggers
        self._schedules = schedules
        self._redis_ms = redis_ms
        self._report = report

    def views(self) -> Mapping[str, Handler]:
        return {
            "GET /timeline": self._timeline,
            "GET /rules": self._rules,
            "ASK /rules": self._explain,
            "GET /report": self._reported,
        }

    async def _timeline(self, request: web.Request) -> web.StreamResponse:
        hours = request.query.get("hours", "6")
        if hours not in map(str, SPANS_H):
            raise Refused(f"hours must be one of {', '.join(map(str, SPANS_H))}", slug="query")
        lines = await self._lines(ENTRIES)
        found = await asyncio.to_thread(timeline, lines, await self._redis_ms(), int(hours))
        return self._shell.show(
            request, "timeline.html", title="Time line", it=found, spans=SPANS_H, entries=ENTRIES
        )

    async def _rules(self, request: web.Request) -> web.StreamResponse:
        return await self._shown(request, pasted="", accounts=[])

    async def _explain(self, request: web.Request) -> web.StreamResponse:
        """What a pasted alert would do now. Nothing is written."""
        pasted = (await form(request)).get("alert", "")
        accounts = await self._triggers.explain(parse_example(pasted.encode("utf-8", "replace")))
        told = [
            {
                "alert": it.trigger.name,
                "outcomes": it.outcomes,
                "verdicts": self._triggers.verdicts(it.trigger)
                if isinstance(it.trigger, Trigger)
                else [],
            }
            for it in accounts[:20]
        ]
        return await self._shown(request, pasted=pasted, accounts=told)

    async def _shown(self, request: web.Request, **more: Any) -> web.StreamResponse:
        rows = ruling.rules(self._in_force.rules(), await self._lines(ruling.ENTRIES))
        return self._shell.show(
            request,
            "rules.html",
            title="Rules",
            rows=rows,
            where=self._in_force.now.rules_from,
            schedules=(await self._schedules(NEXT)).schedules,
            limits=self._in_force.limits_in_words(),
            **more,
        )

    async def _reported(self, request: web.Request) -> web.StreamResponse:
        of = request.query.get("of", "")[:300]
        report = await self._report(of, request.query.get("against"))
        tables = [("What changed", written.changes(report))] if report["changes"] else []
        if report["window"]["samples"]:
            tables.append(("What takes most", written.tops(report, "self")))
            tables.append(("With all that it calls", written.tops(report, "total")))
        return self._shell.show(
            request,
            "report.html",
            title=f"What {report['lease']} found",
            report=report,
            headline=written.headline(report),
            facts=written.facts(report),
            tables=tables,
            flame=flame(report["tree"], styled=False),
        )

    async def _lines(self, count: int) -> list[HistoryLine]:
        names = await self._histories.recently_changed(TARGETS)
        return await self._histories.newest(names, count)
