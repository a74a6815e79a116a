"""The API under `/api/v1`: look, override, explain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from itertools import groupby
from typing import Any

import structlog
from aiohttp import web

from upshift_agent.contract import FLEET, Cause, check_target
from upshift_agent.contract.errors import WireError
from upshift_rules.durations import parse_duration
from upshift_rules.matching import Verdict
from upshift_rules.model import Trigger

from ..errors import Refused
from ..leasing.overrides import Overrides, asked_by
from ..leasing.triggers import Account, Triggers
from ..runtime.slices import each
from ..sources.alertmanager.payload import parse_example
from ..storage.history import Histories, HistoryLine
from ..views.models import (
    Accounts,
    Agents,
    Done,
    Forgotten,
    History,
    HistoryEntry,
    LeaseRequest,
    Leases,
    Targets,
    TargetView,
)
from ..views.overview import Overview
from ..views.schedules import Schedules
from .route import CALLER, Route, answer, json_body, read_model, whole_number
from .webhook import accounts_json, outcome_json

log = structlog.get_logger()

#: Targets that a history of all of them looks at: the ones changed last.
_HISTORY_TARGETS = 200


def routes(
    triggers: Triggers,
    overrides: Overrides,
    overview: Overview,
    histories: Histories,
    forget: Callable[[str], Awaitable[None]],
    limits: Callable[[], str],
    upcoming: Callable[[int], Awaitable[Schedules]],
) -> list[Route]:
    """forget: show a target no more. limits: those in force, in words. upcoming: the schedules,
    with so many windows of each that come next."""

    async def targets(_: web.Request) -> web.Response:
        return answer(await overview.targets())

    async def target(request: web.Request) -> web.Response:
        return answer(await overview.target(_target(request.match_info["target"])))

    async def agents(_: web.Request) -> web.Response:
        return answer(await overview.agents())

    async def leases(_: web.Request) -> web.Response:
        return answer(await overview.leases())

    async def history(request: web.Request) -> web.Response:
        limit = whole_number(request, "limit", 100, 1, 1000)
        name = request.query.get("target")
        names = [_target(name)] if name else await histories.recently_changed(_HISTORY_TARGETS)
        lines = await histories.newest(names, limit)
        return answer(History(entries=[history_entry(line) for line in lines]))

    async def schedules(request: web.Request) -> web.Response:
        return answer(await upcoming(whole_number(request, "next", 5, 1, 20)))

    async def lease(request: web.Request) -> web.Response:
        wanted = await read_model(request, LeaseRequest)
        try:
            duration_ms = parse_duration(wanted.duration)
        except ValueError as error:
            raise Refused(f"duration {error}", slug="body", status=422) from error
        outcome = await overrides.grant(
            wanted.target,
            wanted.kind,
            wanted.hz,
            duration_ms,
            profile=wanted.profile,
            where={k: v if isinstance(v, str) else tuple(v) for k, v in wanted.where.items()},
            cause=asked_by(request[CALLER].name or wanted.by, reason=wanted.reason),
        )
        if outcome.outcome != "granted":
            raise Refused(outcome.reason, slug="refused", status=409)
        return web.json_response({"outcome": outcome_json(outcome)}, status=201)

    async def release(request: web.Request) -> web.Response:
        outcome = await overrides.release(request.match_info["id"], cause=_caller(request))
        return _released(outcome_json(outcome))

    async def release_all(request: web.Request) -> web.Response:
        outcome = await overrides.release_all(
            _target(request.match_info["target"]), cause=_caller(request)
        )
        return _released(outcome_json(outcome))

    async def forget_target(request: web.Request) -> web.Response:
        name, by = _target(request.match_info["target"]), _caller(request).by
        view = await overview.target(name)
        if not view.known:
            raise Refused(f"nothing is known of {name}", slug="not-found", status=404)
        held = sum(lease.target == name for lease in view.leases)
        live = sum(agent.state != "lost" for agent in view.agents)
        if name == FLEET or held or live:
            why = "everybody" if name == FLEET else f"agents that live: {live}, leases: {held}"
            raise Refused(f"{name} stays: {why}", slug="in-use", status=409)
        await forget(name)
        log.info("forgotten", target=name, by=by)
        return answer(Forgotten(target=name))

    async def explain(request: web.Request) -> web.Response:
        accounts = await triggers.explain(parse_example(await json_body(request)))
        document = accounts_json(accounts) | {"limits": limits()}

        def add_rules(shown: tuple[Account, dict[str, Any]]) -> None:
            account, row = shown
            if isinstance(account.trigger, Trigger):
                row["rules"] = _rules(triggers.verdicts(account.trigger))

        await each(add_rules, zip(accounts, document["alerts"], strict=False))
        return web.json_response(document)

    v1 = "/api/v1"
    by = {"by": "who asks; a token's name counts instead"}
    return [
        Route(
            method="GET", path=f"{v1}/targets", handler=targets, role="viewer", answer=Targets,
            summary="Every target that has leases, a history or agents, in brief.",
        ),
        Route(
            method="GET", path=f"{v1}/targets/{{target:.+}}", handler=target, role="viewer",
            answer=TargetView, summary="One target: its leases, its agents, and who has converged.",
        ),
        Route(
            method="DELETE", path=f"{v1}/targets/{{target:.+}}/leases", handler=release_all,
            role="operator", answer=Done, query=by, summary="End every lease of a target now.",
        ),
        Route(
            method="DELETE", path=f"{v1}/targets/{{target:.+}}", handler=forget_target,
            role="operator", answer=Forgotten, query=by,
            summary="Show a target no more that has no lease and no live agent, such as a slip.",
        ),
        Route(
            method="GET", path=f"{v1}/agents", handler=agents, role="viewer", answer=Agents,
            summary="Every agent: what it should do, and what it says that it does.",
        ),
        Route(
            method="GET", path=f"{v1}/history", handler=history, role="viewer", answer=History,
            summary="Who changed what, and why, newest first.",
            query={"target": "only of this target", "limit": "1–1000 entries; default 100"},
        ),
        Route(
            method="GET", path=f"{v1}/schedules", handler=schedules, role="viewer",
            answer=Schedules, summary="Every schedule: the window that is open, and the next ones.",
            query={"next": "1–20 windows of each; default 5"},
        ),
        Route(
            method="GET", path=f"{v1}/leases", handler=leases, role="viewer", answer=Leases,
            summary="Every live lease, the next to end first.",
        ),
        Route(
            method="POST", path=f"{v1}/leases", handler=lease, role="operator", body=LeaseRequest,
            answer=Done, status=201, summary="Boost, pin or cap a target for a while.",
        ),
        Route(
            method="DELETE", path=f"{v1}/leases/{{id:.+}}", handler=release, role="operator",
            answer=Done, query=by, summary="End one lease now.",
        ),
        Route(
            method="POST", path=f"{v1}/explain", handler=explain, role="viewer", answer=Accounts,
            summary="What this alert would do now, and why. Takes a webhook body or one alert.",
        ),
    ]  # fmt: skip  # a table, one route a row


def history_entry(line: HistoryLine) -> HistoryEntry:
    return HistoryEntry(target=line.target, rev=line.rev, **line.entry)


def _rules(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """A row for each entry of the document: its rules for several profiles match alike."""
    rows: list[dict[str, Any]] = []
    for name, group in groupby(verdicts, lambda verdict: verdict.rule.name):
        first, *others = group
        rows.append(
            {
                "rule": name,
                "profiles": [verdict.rule.profile for verdict in (first, *others)],
                "matches": first.matches,
                "reason": first.reason,
            }
        )
    return rows


def _target(name: str) -> str:
    try:
        return check_target(name)
    except WireError as error:
        raise Refused(str(error), slug="target", status=422) from error


def _caller(request: web.Request) -> Cause:
    return asked_by(request[CALLER].name or request.query.get("by", "")[:64])


def _released(outcome: dict[str, object]) -> web.Response:
    if outcome["outcome"] == "no_lease":
        raise Refused(str(outcome["reason"]), slug="no-lease", status=404)
    return web.json_response({"outcome": outcome})
