"""Grafana's annotations: one for each boost, of which the end is set again when it has come.

Written by Grafana's documentation of its HTTP API, not tried on a real one.

An annotation has the lease's planned end from the start, so one whose end cannot be told is hardly
wrong. Which annotation a lease has is remembered, and looked for in Grafana where another
controller made it, or where this one cannot know whether it came through.
"""

from __future__ import annotations

from collections import OrderedDict
from html import escape
from typing import Any

import aiohttp

from upshift_agent.contract import shown

from ..sections.notify import Destination
from .asking import Answer, Reply, ask
from .notices import Notice
from .words import in_words, link_to

#: Tags are columns of so many characters there.
_MAX_TAG = 100
#: Leases whose annotation is remembered.
_MAX_KNOWN = 10_000
TAG = "upshift"


class Grafana:
    def __init__(self, destination: Destination) -> None:
        self._to = destination
        self._url = f"{destination.url.rstrip('/')}/api/annotations"
        self._known: OrderedDict[str, int] = OrderedDict()

    async def send(self, client: aiohttp.ClientSession, notice: Notice, *, again: bool) -> Answer:
        key = f"{notice.target} {notice.lease.id}"
        number = self._known.pop(key, None) if notice.has_ended else None
        if number is None and (notice.has_ended or again):
            found = await self._ask(client, "GET", query=self._query(notice))
            if found.answer.result == "again":
                return found.answer
            number = _found(found.document, notice)
            if number is not None and not notice.has_ended:
                self._remember(key, number)
                return Answer("sent")
        if number is not None:
            end = {"timeEnd": notice.at_ms}
            answer = (await self._ask(client, "PATCH", f"/{number}", body=end)).answer
            if answer.result == "again":
                self._remember(key, number)
            return answer
        made = await self._ask(client, "POST", body=annotation(notice, self._to))
        number = made.document.get("id") if isinstance(made.document, dict) else None
        if notice.event == "granted" and isinstance(number, int):
            self._remember(key, number)
        return made.answer

    async def _ask(
        self, client: aiohttp.ClientSession, method: str, path: str = "", **more: Any
    ) -> Reply:
        return await ask(client, method, self._url + path, token=self._to.token, **more)

    def _query(self, notice: Notice) -> list[tuple[str, str]]:
        """Asks for the annotations that begin when a notice's does and have its tags."""
        at_ms = _begins_ms(notice)
        tags = [("tags", tag) for tag in tags_of(notice, self._to.tags)]
        asked = [("type", "annotation"), ("limit", "100")]
        return [*asked, ("from", str(at_ms)), ("to", str(at_ms + 1)), *tags]

    def _remember(self, key: str, number: int) -> None:
        self._known[key] = number
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)


def annotation(notice: Notice, to: Destination) -> dict[str, Any]:
    """The annotation of a notice, whole; Grafana shows its text as HTML."""
    text, link = escape(in_words(notice)), link_to(notice, to.link)
    end_ms = notice.at_ms if notice.event != "granted" else notice.lease.expires_at_ms
    return {
        "time": _begins_ms(notice),
        "timeEnd": end_ms,
        "tags": tags_of(notice, to.tags),
        "text": f'{text}\n<a href="{escape(link)}">Upshift</a>' if link else text,
    }


def tags_of(notice: Notice, more: tuple[str, ...] = ()) -> list[str]:
    """Whom a notice is about, whose doing it is, and its frequency."""
    lease, (kind, _, name) = notice.lease, notice.target.partition("/")
    whose = {"rule": lease.cause.rule, "schedule": lease.cause.schedule, "by": lease.cause.by}
    tags = [TAG, f"{kind}:{name}" if name else kind]
    tags += [f"{what}:{who}" for what, who in whose.items() if who]
    tags += [shown(lease.profile, lease.hz), *(["refused"] * (notice.event == "refused")), *more]
    return [tag[:_MAX_TAG] for tag in tags]


def _begins_ms(notice: Notice) -> int:
    return notice.at_ms if notice.event == "refused" else notice.lease.since_ms


def _found(document: Any, notice: Notice) -> int | None:
    """The annotation of a notice's lease, among those that Grafana has found."""
    for row in document if isinstance(document, list) else ():
        if not isinstance(row, dict):
            continue
        text, number = row.get("text"), row.get("id")
        if isinstance(text, str) and escape(notice.lease.id) in text and isinstance(number, int):
            return number
    return None
