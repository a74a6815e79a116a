"""An alert that went away without a word has resolved, once that is certain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp.test_utils import unused_port

from controller.conftest import Start, alert, notification
from controller.sources.test_truncated import CONFIG
from servers import HttpServer, alertmanager, eventually
from upshift_controller.sources.alertmanager import absences
from upshift_controller.sources.alertmanager.absences import Absences
from upshift_controller.sources.alertmanager.api import Truncated
from upshift_controller.sources.alertmanager.payload import parse_notification
from upshift_rules.model import Trigger
from upshift_rules.quick_json import dump

MINUTE = 60_000
LONG = 10**9
RULES = """
sampling:
  default: 19
  on_alert:
    - trigger: high_cpu
      frequency: 99
      duration: 1h
      on_resolved: revert
"""


def fired(fingerprint: str, **labels: str) -> Trigger:
    return Trigger(status="firing", labels=labels, identity=fingerprint, starts_at_ms=1)


def watched(*alerts: Trigger) -> Absences:
    known = Absences(5 * MINUTE)
    known.heard("upshift", alerts, truncated=True)
    return known


def gone(known: Absences, at: int, *listed: str, up: int = LONG) -> list[str]:
    """Who has resolved, by a look at this minute."""
    found = known.looked("upshift", listed, at * MINUTE, up * MINUTE, at * MINUTE)
    assert all(it.status == "resolved" for it in found)
    return [it.identity for it in found]


def test_an_alert_that_is_missing_for_longer_than_5_minutes_has_resolved() -> None:
    known = watched(fired("a"), fired("b"))
    assert gone(known, 0, "b") == []
    assert gone(known, 5, "b") == []
    assert gone(known, 6, "b") == ["a"]


def test_one_that_was_seen_again_was_not_missing() -> None:
    known = watched(fired("a"))
    gone(known, 0)
    gone(known, 4, "a")
    assert gone(known, 8) == []
    assert gone(known, 14) == ["a"]


def test_a_webhook_that_has_it_firing_ends_its_absence() -> None:
    known = watched(fired("a"))
    gone(known, 0)
    known.heard("upshift", [fired("a")])
    assert gone(known, 6) == []


def test_the_empty_list_after_a_restart_proves_nothing() -> None:
    known = watched(fired("a"))
    for at in range(60):
        assert gone(known, at, up=at % 5) == [], "it restarts every 5 minutes"
    assert gone(known, 66, up=6) == ["a"]


def test_what_could_not_be_read_proves_nothing() -> None:
    known = watched(fired("a"))
    gone(known, 0)
    known.not_looked("upshift")
    assert gone(known, 6) == []


def test_nobody_is_looked_for_where_nothing_was_left_out() -> None:
    known = Absences(5 * MINUTE)
    known.heard("upshift", [fired("a")])
    assert known.receivers == []
    known.heard("upshift", [], truncated=True)
    assert known.receivers == ["upshift"]
    known.heard("upshift", [fired("a")._replace(status="resolved")])
    assert known.receivers == []


def test_what_is_remembered_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absences, "MAX_SIZE", 100_000)
    known = watched(*(fired(str(n), label="x" * 9_000) for n in range(1000)))
    known.heard("upshift", [fired("999", label="")])
    gone(known, 0)
    assert gone(known, 6) == [str(n) for n in range(990, 1000)]


@pytest.mark.servers("prometheus-alertmanager")
async def test_the_boost_of_an_alert_that_alertmanager_dropped_is_reverted(
    start: Start, tmp_path: Path
) -> None:
    config = CONFIG.format(port=unused_port())
    with alertmanager(tmp_path / "alertmanager", config) as server:
        await asyncio.to_thread(_post, server, lasts_s=3600)
        rows = await asyncio.to_thread(eventually, lambda: server.get("/api/v2/alerts"))
        truncated = Truncated(lambda: server.url, wait_s=0.5)
        async with start(RULES) as running:
            told = parse_notification(dump(_cut(rows[:1], "firing")).encode())
            alerts = (*told.alerts, *await truncated.missing(told))
            await running.controller.triggers.receive(alerts)
            targets = [f"service/s{i}" for i in range(3)]
            assert all([await running.leases(it) for it in targets])

            await truncated.look(running.controller.triggers.receive)
            await asyncio.to_thread(_post, server, lasts_s=0)
            await asyncio.to_thread(eventually, lambda: server.get("/api/v2/alerts") == [])
            # One is told, two are left out.
            told = parse_notification(dump(_cut(rows[:1], "resolved")).encode())
            alerts = (*told.alerts, *await truncated.missing(told))
            await running.controller.triggers.receive(alerts)
            deadline = time.monotonic() + 20
            while any([await running.leases(it) for it in targets]):
                assert time.monotonic() < deadline, "a boost is left"
                await truncated.look(running.controller.triggers.receive)
                await asyncio.sleep(0.05)
            for target in targets:
                assert (await running.history(target))[-1] == "reverted"


def _cut(rows: Sequence[dict[str, Any]], status: str) -> dict[str, Any]:
    ends = datetime.now(UTC).isoformat()
    cut = [
        alert(
            row["labels"],
            fingerprint=row["fingerprint"],
            status=status,
            startsAt=row["startsAt"],
            endsAt=ends,
        )
        for row in rows
    ]
    return notification(*cut) | {"truncatedAlerts": 2}


def _post(server: HttpServer, lasts_s: int) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=lasts_s)
    rows = [
        {
            "labels": {"alertname": "HighCPU", "service_name": f"s{i}"},
            "endsAt": ends.isoformat(),
        }
        for i in range(3)
    ]
    requests.post(f"{server.url}/api/v2/alerts", json=rows, timeout=5).raise_for_status()
