"""Reads what Alertmanagers list, at the start and every 30 s, and hands on what is news in it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import structlog

from upshift_rules.model import BadTrigger, RuleSet, Trigger
from upshift_rules.quick_json import loads

from ...errors import Unavailable
from ...runtime.slices import each
from ...sections.alertmanager import Access
from .level import Level, View
from .payload import MAX_ALERTS, Notification, milliseconds, read_alert

log = structlog.get_logger()

EVERY_S = 30.0
#: Between two looks, however often somebody asks for one.
LEAST_S = 5.0
#: An alert that has been missing in every list for so long has resolved; see `level`.
WAIT_S = 300.0
#: Of each list, and of what else Alertmanager answers. Some 30,000 alerts.
MAX_BYTES = 32 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=10)

Receive = Callable[[Sequence[Trigger]], Awaitable[object]]


class Lists:
    """The lists of all Alertmanagers, and what was told of their alerts.

    access: returns whom to ask, None for nobody; rules: those in force. read: is told of each
    attempt to read one's list, by its URL, and whether it went well.
    """

    def __init__(
        self,
        access: Callable[[], Access | None],
        rules: Callable[[], RuleSet],
        read: Callable[[str, bool], object] = lambda *_: None,
        *,
        every_s: float = EVERY_S,
        wait_s: float = WAIT_S,
    ) -> None:
        self._access = access
        self._rules = rules
        self._read = read
        self._every_s = every_s
        self._wait_s = wait_s
        self._wake = asyncio.Event()
        self._asked: tuple[object, ...] = ()
        self._level = self._new_level()
        self._told_by: RuleSet | None = None
        #: By URL, why a list could not be read at the last look.
        self._problems: dict[str, str] = {}

    def problems(self) -> list[str]:
        """Return what people should know: which lists cannot be read, and why."""
        return [
            f"Alertmanager {url} cannot be read ({why}): alerts whose webhook is lost are not "
            "made good, and none resolves by being gone"
            for url, why in self._problems.items()
        ]

    def wake(self) -> None:
        """Look soon: something may have been missed, or rules have changed."""
        self._wake.set()

    async def told(self, notification: Notification) -> None:
        """Take note of what was received of a notification, and make good what it left out."""
        access, left_out = self._access(), notification.truncated
        if access is not None and access.receiver == notification.receiver:
            await self._tell(self._known(access), notification.alerts, _now_ms())
            if left_out:
                log.warning("alerts left out by Alertmanager (max_alerts) are read", count=left_out)
                self.wake()
        elif left_out:
            log.warning(
                "alerts left out by Alertmanager (max_alerts) are lost; "
                "set `alertmanager:`, with this receiver, to have them read",
                count=left_out,
                receiver=notification.receiver[:200],
            )

    async def watch(self, receive: Receive) -> None:
        """Hand what is news to `receive`, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            self._wake.clear()
            await self.look(receive)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(began_s + self._every_s):
                    await self._wake.wait()
                    await asyncio.sleep(began_s + LEAST_S - loop.time())

    async def look(self, receive: Receive) -> None:
        """Look once; see `watch`."""
        access = self._access()
        if access is None:
            self._problems.clear()
            return
        level, rules = self._known(access), self._rules()
        level.begin()
        views = await self._views(access)
        now_ms = _now_ms()
        news = level.look(views, now_ms, anew=rules is not self._told_by)
        if news:
            try:
                await receive(news)
            except Unavailable as error:  # the next look finds them again
                log.warning("what Alertmanager lists could not be noted", problem=error.detail)
                return
            await self._tell(level, news, now_ms)
        if any(view is not None for view in views):
            self._told_by = rules

    async def _tell(
        self, level: Level, alerts: Sequence[Trigger | BadTrigger], now_ms: int
    ) -> None:
        rules = self._rules()
        await each(lambda alert: level.told(rules, [alert], now_ms), alerts)

    def _known(self, access: Access) -> Level:
        """Return what is known of the alerts of those that are asked by now."""
        asked = (*access.urls, access.receiver)
        if asked != self._asked:
            self._asked, self._level = asked, self._new_level()
            self._problems.clear()
        return self._level

    def _new_level(self) -> Level:
        return Level(round(self._wait_s * 1000), round(self._every_s * 1000))

    async def _views(self, access: Access) -> list[View | None]:
        async def view(session: aiohttp.ClientSession, url: str) -> View | None:
            try:
                found = await read_view(session, url, access.receiver)
            except (aiohttp.ClientError, OSError, ValueError, OverflowError) as error:
                self._note(url, _why(error))
                return None
            self._note(url, None)
            return found

        try:
            headers = access.headers()
        except (OSError, ValueError) as error:
            for url in access.urls:
                self._note(url, str(error))
            return [None for _ in access.urls]
        connector = aiohttp.TCPConnector(ssl=access.context or True)
        async with aiohttp.ClientSession(
            timeout=_TIMEOUT, headers=headers, connector=connector
        ) as session:
            return list(await asyncio.gather(*(view(session, url) for url in access.urls)))

    def _note(self, url: str, why: str | None) -> None:
        """Tell how an attempt to read a list went, in the log where that is news."""
        self._read(url, why is None)
        former = self._problems.pop(url, None)
        if why is not None:
            self._problems[url] = why
            if former is None:
                log.warning("Alertmanager cannot be read", url=url, problem=why)
        elif former is not None:
            log.info("Alertmanager can be read again", url=url)


async def read_view(session: aiohttp.ClientSession, url: str, receiver: str) -> View:
    """Read what an Alertmanager lists for `receiver`. Raise `aiohttp.ClientError`, `OSError`
    (no answer in time is one), `ValueError` or `OverflowError` for what is none of its answers."""
    only = {"receiver": f"^{re.escape(receiver)}$"}
    rows, _ = await _ask(session, f"{url}/api/v2/alerts", only)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("its answer is not a list of alerts")
    if not rows:  # nothing fires, or this is a slip
        named, _ = await _ask(session, f"{url}/api/v2/receivers")
        known = named if isinstance(named, list) else []
        if not any(isinstance(it, dict) and it.get("name") == receiver for it in known):
            raise ValueError(f"it has no receiver {receiver}")
    found = await each(_listed, rows[:MAX_ALERTS])
    # Last: had it restarted in between, it would have been up for a moment.
    status, date = await _ask(session, f"{url}/api/v2/status")
    since = status.get("uptime") if isinstance(status, dict) else None
    since_ms = milliseconds(since) if isinstance(since, str) else None
    if since_ms is None:
        raise ValueError("its status does not say since when it is up")
    clock_ms = round(parsedate_to_datetime(date).timestamp()) * 1000
    return View(
        alerts={alert.identity: alert for alert in found if alert is not None},
        up_ms=clock_ms - since_ms,
        clock_ms=clock_ms,
        whole=len(rows) <= MAX_ALERTS,
    )


async def _ask(
    session: aiohttp.ClientSession, url: str, query: Mapping[str, str] | None = None
) -> tuple[Any, str]:
    """Return the JSON at a URL, and the date of the answer."""
    # No redirects: they would take what we authenticate with to another server.
    async with session.get(url, params=query, allow_redirects=False) as response:
        if response.status != 200:
            raise ValueError(f"it answers HTTP {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ValueError(f"its answer has more than {MAX_BYTES // 2**20} MiB")
        return loads(bytes(body), lenient=False), response.headers.get("Date", "")


def _listed(row: dict[str, Any]) -> Trigger | None:
    """Return an alert of a list; None for one that cannot be read, as webhooks of it tell."""
    alert = read_alert(row | {"status": "firing"}, "an alert of its list")  # an object, there
    if not isinstance(alert, Trigger):
        return None
    status = row.get("status")
    active = isinstance(status, dict) and status.get("state") == "active"
    return alert._replace(via="level" if active else "muted")


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_TIMEOUT.total:g} s"
    return str(error) or type(error).__name__


def _now_ms() -> int:
    return round(time.monotonic() * 1000)
