"""`GET /api/v1/rollouts`: the versions of a service, and why each was a rollout or none."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from aiohttp import web

from upshift_agent.contract import SERVICE_VERSION
from upshift_rules.model import Trigger
from upshift_rules.rollouts import rollout

from ...errors import Refused
from ...leasing.triggers import Account, Triggers
from ...sources.rollouts.knowledge import Known, Scope
from ...sources.rollouts.watching import Versions
from ...views.models import OutcomeView, RuleView
from ...views.rollouts import Rollouts, VersionView, problem, versions_of, why
from ..route import Route, answer
from ..webhook import outcome_json

#: Versions of one service in an answer.
MAX_SHOWN = 100


def routes(versions: Versions, triggers: Triggers, wanted: Callable[[], bool]) -> list[Route]:
    """wanted: whether any rule asks for rollouts."""

    async def rollouts(request: web.Request) -> web.Response:
        service = request.query.get("service", "").removeprefix("service/")
        if not service:
            raise Refused(
                "service must name one, as in ?service=checkout", slug="query", status=422
            )
        known = (await versions.known()).known
        rows = list(islice(versions_of(known, service), MAX_SHOWN))
        told = [_trigger(scope, name, it) for scope, name, it, _ in rows]
        accounts = await triggers.explain(told)
        return answer(
            Rollouts(
                service=service,
                looked_ms=known.looked_ms if known else None,
                problem=problem(known, service, wanted=wanted()),
                versions=[
                    _shown(*row, account, _rules(triggers, trigger))
                    for row, account, trigger in zip(rows, accounts, told, strict=True)
                ],
            )
        )

    return [
        Route(
            method="GET", path="/api/v1/rollouts", handler=rollouts, role="viewer",
            answer=Rollouts, query={"service": "whose versions, such as checkout"},
            summary="A service's versions, and why each was a rollout or none.",
        )
    ]  # fmt: skip  # a table, one route a row


def _trigger(scope: Scope, version: str, it: Known) -> Trigger:
    return rollout({**dict(scope), SERVICE_VERSION: version}, it.since_ms)


def _rules(triggers: Triggers, trigger: Trigger) -> list[RuleView]:
    return [
        RuleView(
            rule=it.rule.name, profiles=[it.rule.profile], matches=it.matches, reason=it.reason
        )
        for it in triggers.verdicts(trigger)
    ]


def _shown(
    scope: Scope, version: str, it: Known, newest: bool, account: Account, rules: list[RuleView]
) -> VersionView:
    return VersionView(
        version=version,
        attributes=dict(scope),
        live=it.live,
        newest=newest,
        since_ms=it.since_ms,
        last_ms=None if it.live else it.last_ms,
        came=it.came,
        reason=why(it, newest=newest),
        rules=rules,
        outcomes=[OutcomeView.model_validate(outcome_json(one)) for one in account.outcomes],
    )
