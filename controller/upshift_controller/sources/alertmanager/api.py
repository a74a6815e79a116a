"""Alerts that Alertmanager left out of a notification (`max_alerts`), read from its own API."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import structlog

from upshift_rules.model import BadTrigger, Trigger

from ...errors import Unavailable
from ...runtime.slices import each
from .absences import Absences
from .payload import MAX_ALERTS, Notification, milliseconds, read_alert

log = structlog.get_logger()

#: The webhook must be answered within Alertmanager's patience, with or without these.
_TIMEOUT = aiohttp.ClientTimeout(total=2)
#: An alert that has been missing in the list for so long has resolved; see `absences`.
WAIT_S = 300.0

Row = dict[str, Any]


class Truncated:
    """Reads the alerts that notifications left out.

    url: returns Alertmanager's URL, such as http://127.0.0.1:9093, or None where none is set.
    """

    def __init__(self, url: Callable[[], str | None], wait_s: float = WAIT_S) -> None:
        self._address = url
        self._wait_s = wait_s
        self._absences = Absences(round(wait_s * 1000))

    @property
    def _url(self) -> str | None:
        return (self._address() or "").rstrip("/") or None

    async def missing(self, notification: Notification) -> tuple[Trigger | BadTrigger, ...]:
        """Return the firing alerts that the notification lacks; none when they cannot be read."""
        count = notification.truncated
        if self._url is None:
            if count:
                log.warning(
                    "alerts left out by Alertmanager (max_alerts); "
                    "set `alertmanager:` to fetch them",
                    count=count,
                )
            return ()
        receiver = notification.receiver
        self._absences.heard(receiver, notification.alerts, truncated=count > 0)
        if not count:
            return ()
        try:
            async with self._session() as session:
                rows = await self._list(session, receiver)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.error("alerts left out could not be fetched", count=count, problem=repr(error))
            return ()
        known = {alert.identity for alert in notification.alerts}
        lacking = [
            alert for alert in rows if alert.get("fingerprint") not in known and _is_active(alert)
        ]
        alerts = tuple(
            await each(
                # `status` is an object there.
                lambda row: read_alert(row | {"status": "firing"}, "an alert of its list"),
                lacking[:MAX_ALERTS],
            )
        )
        self._absences.heard(receiver, alerts)
        log.warning("alerts left out by Alertmanager were fetched", count=len(alerts))
        return alerts

    async def watch(self, receive: Callable[[Sequence[Trigger]], Awaitable[object]]) -> None:
        """Hand alerts that resolved without a notification to `receive`, for ever."""
        while True:
            await asyncio.sleep(self._wait_s / 10)
            await self.look(receive)

    async def look(self, receive: Callable[[Sequence[Trigger]], Awaitable[object]]) -> None:
        """Look at each receiver's list once; see `watch`."""
        for receiver in self._absences.receivers:
            try:
                async with self._session() as session:
                    listed = {row.get("fingerprint") for row in await self._list(session, receiver)}
                    # Last: had it restarted in between, it would have been up for a moment.
                    up_ms, clock_ms = await self._up(session)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                self._absences.not_looked(receiver)
                log.warning("Alertmanager's list could not be read", problem=repr(error))
                continue
            now_ms = round(time.monotonic() * 1000)
            gone = self._absences.looked(receiver, listed, now_ms, up_ms, clock_ms)
            if not gone:
                continue
            try:
                await receive(gone)
            except Unavailable as error:  # the next look finds them again
                log.warning("alerts that resolved could not be noted", problem=error.detail)
                continue
            self._absences.heard(receiver, gone)
            log.info("alerts resolved without a word of Alertmanager", count=len(gone))

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=_TIMEOUT, raise_for_status=True)

    async def _list(self, session: aiohttp.ClientSession, receiver: str) -> list[Row]:
        """Return every alert of `receiver` that has not resolved, silenced or not."""
        query = {"receiver": f"^{re.escape(receiver)}$"} if receiver else {}
        async with session.get(f"{self._url}/api/v2/alerts", params=query) as response:
            rows = await response.json()
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("its answer is not a list of alerts")
        return rows

    async def _up(self, session: aiohttp.ClientSession) -> tuple[int, int]:
        """Return how long Alertmanager has been up, and its Unix time, both in ms."""
        async with session.get(f"{self._url}/api/v2/status") as response:
            clock_ms = round(parsedate_to_datetime(response.headers.get("Date", "")).timestamp())
            clock_ms *= 1000
            document = await response.json()
        since = document.get("uptime") if isinstance(document, dict) else None
        since_ms = milliseconds(since) if isinstance(since, str) else None
        if since_ms is None:
            raise ValueError("its status does not say since when it is up")
        return clock_ms - since_ms, clock_ms


def _is_active(row: Row) -> bool:
    """Whether an alert is neither silenced nor inhibited."""
    status = row.get("status")
    return isinstance(status, dict) and status.get("state") == "active"
