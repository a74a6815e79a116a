"""`POST /api/v1/webhook/alertmanager`: an answer only after the commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiohttp import web

from upshift_rules.model import Alert, Outcome
from upshift_rules.quick_json import dump

from ..alertmanager import BadAlert, parse_notification
from ..control import Account, Control
from ..errors import Refused, Unavailable
from ..metrics import Metrics
from ..models import Accounts
from ..truncated import Truncated
from .routes import Route, json_body

log = structlog.get_logger()


def routes(control: Control, metrics: Metrics, truncated: Truncated) -> list[Route]:
    async def receive(request: web.Request) -> web.Response:
        try:
            response = await accept(request)
        except (Refused, Unavailable) as error:
            metrics.webhooks.labels(503 if isinstance(error, Unavailable) else error.status).inc()
            raise
        metrics.webhooks.labels(200).inc()
        return response

    async def accept(request: web.Request) -> web.Response:
        control.check_room()  # before anything is read
        notification = parse_notification(await json_body(request))
        alerts = notification.alerts
        if notification.truncated:
            metrics.truncated.inc(notification.truncated)
        alerts += await truncated.missing(notification)
        accounts = await control.receive(alerts)
        document = accounts_json(accounts, notification.truncated)
        for name, count in document["counts"].items():
            metrics.alerts.labels(name).inc(count)
            if name in ("invalid", "no_target"):
                _warn(name, accounts)
        return web.json_response(document, dumps=dump)

    return [
        Route(
            method="POST",
            path="/api/v1/webhook/alertmanager",
            handler=receive,
            summary="Alertmanager's webhook, payload version 4. 200 only after the commit.",
            role="webhook",
            answer=Accounts,
        )
    ]


def _warn(name: str, accounts: Sequence[Account]) -> None:
    for outcome in (it for account in accounts for it in account.outcomes):
        if outcome.outcome == name:
            log.warning("alert changed nothing", outcome=name, cause=outcome.reason)


def accounts_json(accounts: Sequence[Account], truncated: int = 0) -> dict[str, Any]:
    """`models.Accounts`, built by hand: a webhook may carry thousands of alerts."""
    outcomes = [it for account in accounts for it in account.outcomes]
    counts = Counter(it.outcome for it in outcomes)
    shown = {id(it): it for it in outcomes}  # alerts that join one boost share theirs
    documents = {key: outcome_json(it) for key, it in shown.items()}
    return {
        "alerts": [account_json(account, documents) for account in accounts],
        "counts": dict(counts),
        "truncated": truncated,
    }


def account_json(account: Account, outcomes: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    alert = account.alert
    return {
        "alertname": alert.name if isinstance(alert, Alert) else alert.alertname,
        "fingerprint": alert.fingerprint,
        "status": "invalid" if isinstance(alert, BadAlert) else alert.status,
        "outcomes": [outcomes[id(outcome)] for outcome in account.outcomes],
    }


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    document = {name: getattr(outcome, name) for name in Outcome.__slots__}
    if (refusal := outcome.refusal) is not None:
        names = ("limit", "value", "used")  # its reason is the outcome's
        document["refusal"] = {name: getattr(refusal, name) for name in names}
    return document
