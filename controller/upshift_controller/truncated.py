"""Alerts that Alertmanager left out of a notification (`max_alerts`), read from its own API."""

from __future__ import annotations

from typing import Any

import aiohttp
import structlog

from upshift_rules.model import Alert

from .alertmanager import BadAlert, Notification, read_alert

log = structlog.get_logger()

#: The webhook must be answered within Alertmanager's patience, with or without these.
_TIMEOUT = aiohttp.ClientTimeout(total=2)


class Truncated:
    """`url` is Alertmanager's, such as http://127.0.0.1:9093; None to do without."""

    def __init__(self, url: str | None) -> None:
        self._url = url and url.rstrip("/")

    async def missing(self, notification: Notification) -> tuple[Alert | BadAlert, ...]:
        """The firing alerts of the receiver that the notification lacks; none when that fails."""
        count = notification.truncated
        if self._url is None:
            log.warning(
                "alerts left out by Alertmanager (max_alerts); set `alertmanager:` to fetch them",
                count=count,
            )
            return ()
        try:
            rows = await self._active(notification.receiver)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.error("alerts left out could not be fetched", count=count, problem=repr(error))
            return ()
        known = {alert.fingerprint for alert in notification.alerts}
        alerts = [
            # `status` is an object there, and all that this query returns is firing.
            read_alert(row | {"status": "firing"}, f"{self._url}[{i}]")
            for i, row in enumerate(rows)
            if row.get("fingerprint") not in known
        ]
        log.warning("alerts left out by Alertmanager were fetched", count=len(alerts))
        return tuple(alerts)

    async def _active(self, receiver: str) -> list[dict[str, Any]]:
        query = {"active": "true", "silenced": "false", "inhibited": "false"}
        if receiver:
            query["receiver"] = f"^{receiver}$"
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, raise_for_status=True) as session,
            session.get(f"{self._url}/api/v2/alerts", params=query) as response,
        ):
            rows = await response.json()
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("its answer is not a list of alerts")
        return rows
