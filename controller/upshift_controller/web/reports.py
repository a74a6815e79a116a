"""`GET /api/v1/report`: what a boost brought."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from upshift_agent.contract import check_target
from upshift_agent.contract.errors import WireError
from upshift_rules.durations import parse_duration

from ..errors import Refused
from ..evidence.asked import Boost, Entry, boosts, chosen
from ..evidence.reporter import Reporter
from ..storage.history import Histories
from ..views.reports import Report
from .route import Route, answer

#: How far back is looked: entries, and targets where a lease's is not known.
_ENTRIES, _TARGETS = 1000, 200
DAY_MS = 24 * 3600 * 1000


class Reports:
    """Finds the boost that is meant, and its report."""

    def __init__(
        self,
        reporter: Reporter,
        histories: Histories,
        redis_ms: Callable[[], Awaitable[int]],
    ) -> None:
        self._reporter = reporter
        self._histories = histories
        self._redis_ms = redis_ms

    async def of(self, what: str, against: str | None) -> dict[str, Any]:
        """what: a lease or a target. against: so many days before, such as `1d`. Raise as
        `Reporter.report`."""
        days = _days(against)
        return await self._reporter.report(await self._boost(what), days=days)

    async def _boost(self, what: str) -> Boost:
        if not what:
            raise Refused(
                "of must name a lease or a target, as in ?of=service/checkout",
                slug="query",
                status=422,
            )
        try:
            targets = [check_target(what)]
        except WireError:
            targets = []
        newest = await self._histories.newest(targets, _ENTRIES) if targets else []
        if not newest:  # a lease's id may look like a target
            targets = await self._histories.recently_changed(_TARGETS)
            newest = await self._histories.newest(targets, _ENTRIES)
        entries = [
            Entry(line.target, line.at_ms, line.entry["event"], line.entry["lease"])
            for line in newest
            if line.entry.get("lease")
        ]
        boost = chosen(boosts(entries, await self._redis_ms()), what)
        if boost is None:
            raise Refused(f"the history has no boost of {what}", slug="not-found", status=404)
        return boost


def routes(reports: Reports) -> list[Route]:
    async def report(request: web.Request) -> web.Response:
        found = await reports.of(request.query.get("of", ""), request.query.get("against"))
        return answer(Report.model_validate(found))

    return [
        Route(
            method="GET", path="/api/v1/report", handler=report, role="viewer", answer=Report,
            summary="What a boost brought: which functions take more or less than before.",
            query={
                "of": "a lease, or a target: its newest boost",
                "against": "compare with the same time so many days ago, such as 1d",
            },
        )
    ]  # fmt: skip  # a table, one route a row


def _days(text: str | None) -> int:
    if text is None:
        return 0
    try:
        days, rest = divmod(parse_duration(text), DAY_MS)
    except ValueError as error:
        raise Refused(f"against {error}", slug="query", status=422) from error
    if rest or not 1 <= days <= 30:
        raise Refused(f"against must be 1d–30d, got {text}", slug="query", status=422)
    return days
