"""`POST /api/v1/webhook/alertmanager`: an answer only after the commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import structlog
from aiohttp import web

from upshift_rules.model import BadTrigger, Outcome, Trigger
from upshift_rules.quick_json import dump

from ..errors import Refused, Unavailable
from ..leasing.triggers import Account, Triggers
from ..metrics import Metrics
from ..runtime.slices import each
from ..sources.alertmanager.lists import Lists
from ..sources.alertmanager.payload import (
    REMEMBERED_BYTES,
    Notification,
    open_notification,
    parse_notification,
    read_alert,
)
from ..views.models import Accounts
from .route import CALLER, Route, json_body

log = structlog.get_logger()

#: Outcomes that the answer shows; all of them are counted.
MAX_SHOWN = 1000
#: Lines of the log for one request, of each of these outcomes.
MAX_WARNINGS = 10
_WARNED = ("invalid", "no_target")


def routes(
    triggers: Triggers,
    metrics: Metrics,
    lists: Lists,
    record: Callable[[Sequence[Trigger | BadTrigger], int], object] = lambda *_: None,
) -> list[Route]:
    """record: is told the alerts of each webhook that was accepted, and its bytes."""

    async def receive(request: web.Request) -> web.Response:
        try:
            response = await accept(request)
        except (Refused, Unavailable) as error:
            metrics.webhooks.labels(503 if isinstance(error, Unavailable) else error.status).inc()
            raise
        metrics.webhooks.labels(200).inc()
        return response

    async def accept(request: web.Request) -> web.Response:
        triggers.check_room()  # before anything is read
        body = await json_body(request)
        notification = await _read(body)
        alerts = notification.alerts
        if notification.truncated:
            metrics.truncated.inc(notification.truncated)
        accounts = await triggers.receive(alerts, request[CALLER].name or "")
        await lists.told(notification)
        record(alerts, len(body))
        document = accounts_json(accounts, notification.truncated)
        for name, count in document["counts"].items():
            metrics.alerts.labels(name).inc(count)
            if name in _WARNED:
                _warn(name, accounts, count)
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


async def _read(body: bytes) -> Notification:
    if len(body) <= REMEMBERED_BYTES:
        return parse_notification(body)
    notification, rows = open_notification(body)
    alerts = await each(
        lambda numbered: read_alert(numbered[1], f"alerts[{numbered[0]}]"), enumerate(rows)
    )
    return replace(notification, alerts=tuple(alerts))


def _warn(name: str, accounts: Sequence[Account], count: int) -> None:
    """The log names the first ones of a request, and counts the others."""
    found = (
        outcome for account in accounts for outcome in account.outcomes if outcome.outcome == name
    )
    for outcome in islice(found, MAX_WARNINGS):
        log.warning("alert changed nothing", outcome=name, reason=outcome.reason)
    if count > MAX_WARNINGS:
        log.warning("alerts changed nothing", outcome=name, more=count - MAX_WARNINGS)


def accounts_json(accounts: Sequence[Account], truncated: int = 0) -> dict[str, Any]:
    """`models.Accounts`, built by hand: a webhook may carry thousands of alerts. All are counted,
    and the first ones shown."""
    counts = Counter(outcome.outcome for account in accounts for outcome in account.outcomes)
    shown: list[Account] = []
    room = MAX_SHOWN
    for account in accounts:
        room -= len(account.outcomes)
        if room < 0 and shown:
            break
        shown.append(account)
    outcomes = [outcome for account in shown for outcome in account.outcomes]
    # Alerts that join one boost share the very object. By its id, because to make a document takes
    # 1.7 µs and its hash 1.0, of 33 for an alert in a group (`make bench ROW=groups`).
    distinct = {id(outcome): outcome for outcome in outcomes}
    documents = {key: outcome_json(outcome) for key, outcome in distinct.items()}
    return {
        "alerts": [account_json(account, documents) for account in shown],
        "counts": dict(counts),
        "truncated": truncated,
        "not_shown": len(accounts) - len(shown),
    }


def account_json(account: Account, outcomes: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    trigger = account.trigger
    return {
        "alertname": trigger.name,
        "fingerprint": trigger.identity,
        "status": "invalid" if isinstance(trigger, BadTrigger) else trigger.status,
        "outcomes": [outcomes[id(outcome)] for outcome in account.outcomes],
    }


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    document = {name: getattr(outcome, name) for name in Outcome.__slots__}
    if (refusal := outcome.refusal) is not None:
        names = ("limit", "value", "used")  # its reason is the outcome's
        document["refusal"] = {name: getattr(refusal, name) for name in names}
    return document
