"""The time line as HTML, of any history, without a server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from controller.page.test_timeline import MINUTE, NOW_MS, boost, line
from upshift_controller.page.shell import Shell
from upshift_controller.page.timeline import ENTRIES, SPANS_H, timeline
from upshift_controller.storage.history import HistoryLine, decode_entry
from upshift_controller.web.auth import Tokens

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'><b id=pwned>"


def html(lines: list[HistoryLine]) -> str:
    templates = Shell(lambda: Tokens([]), None)._templates  # type: ignore[arg-type]
    shared: dict[str, Any] = {
        "frame": "part.html",
        "path": "/timeline",
        "caller": None,
        "may_change": False,
        "signed_in": False,
        "form_key": "",
        "said": "",
        "title": "Time line",
        "now": datetime.fromtimestamp(NOW_MS / 1000, UTC),
    }
    it = timeline(lines, NOW_MS, 1)
    return templates.get_template("timeline.html").render(
        shared | {"it": it, "spans": SPANS_H, "entries": ENTRIES}
    )


def test_hostile_names_are_text_wherever_they_stand() -> None:
    lease = boost(NOW_MS - MINUTE, MINUTE) | dict.fromkeys(("id", "kind", "profile"), HOSTILE)
    target = f"service/{HOSTILE}"
    said = html(
        [
            line("granted", NOW_MS - MINUTE, lease, target=target, reason=HOSTILE),
            line("refused", NOW_MS - MINUTE, lease, target=target, reason=HOSTILE),
        ]
    )
    assert "&lt;img" in said
    assert not any(it in said for it in ("<img", "<script", "<b "))


def test_a_history_of_which_only_the_newest_are_looked_at_says_how_many() -> None:
    several = [
        line("granted", NOW_MS - at, boost(NOW_MS - at, MINUTE, name=f"high_cpu/{at}"))
        for at in range(ENTRIES)
    ]
    said = html(several)
    assert f"the {ENTRIES} newest entries were looked at" in said
    assert said.count("<rect") == said.count("What high_cpu/") == ENTRIES


def test_whatever_can_be_read_of_a_history_can_be_sent() -> None:
    times = {"since_ms": NOW_MS - MINUTE, "expires_at_ms": NOW_MS}
    for odd in ({"id": {"a": 1}, "profile": ["x"]}, {"id": "\0\x1b", "hz": 2**52}, {"id": 7}):
        stored = {"at_ms": NOW_MS, "event": "granted", "reason": "x", "lease": {"hz": 1} | times}
        stored["lease"] |= odd  # type: ignore[operator]
        entry = decode_entry(json.dumps(stored).encode())
        assert html([HistoryLine("service/a", 1, NOW_MS, entry)]).encode()
