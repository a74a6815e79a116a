"""What people see of schedules: a line for each, with its next times in its own zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from upshift_agent.contract import CPU, shown

from . import show, text
from .text import Json


def table(document: Json) -> Table:
    grid = show.table("SCHEDULE", "WHAT", "TARGET", "CRON", "WHEN", ">IN")
    for row in document["schedules"]:
        first, *others = _times(row, document["now_ms"])
        grid.add_row(
            Text(row["name"], "bold"),
            _what(row),
            ", ".join(filter(None, (*row["targets"], text.only(row["where"])))),
            f"{row['cron']}, {row['timezone']}",
            *first,
        )
        for other in others:
            grid.add_row("", "", "", "", *other)
    return grid


def _what(row: Json) -> str:
    named = [it for it in row["profiles"] if it != CPU or len(row["profiles"]) > 1]
    whats = " ".join(filter(None, (row["kind"], ", ".join(named))))
    said = f"{whats} {shown(row['profiles'][0], row['hz'])}, {text.span(row['duration_ms'])}"
    return said + (f", up to {text.span(row['jitter_ms'])} later" if row["jitter_ms"] else "")


def _times(row: Json, now_ms: int) -> Sequence[tuple[Text | str, Text | str]]:
    """The window that is open, and those that come: when, and in how long."""
    times: list[tuple[Text | str, Text | str]] = []
    if row["open"]:
        left = text.span(row["open"]["ends_at_ms"] - now_ms)
        times.append((Text(_local(row["open"]), "green"), Text(f"open, {left} left", "green")))
    times += [(_local(it), text.span(_rounded(it["starts_at_ms"] - now_ms))) for it in row["next"]]
    return times or [("never", "–")]


def _local(window: Json) -> str:
    """Such as `Mon 2026-03-30 02:33 +02:00`."""
    moment = datetime.fromisoformat(window["local"])
    return moment.strftime("%a %Y-%m-%d %H:%M ") + moment.isoformat()[19:]


def _rounded(ms: int) -> int:
    """To the minute from an hour on, to the hour from a week on."""
    step = 1000 if ms < 3_600_000 else 60_000 if ms < 7 * 86_400_000 else 3_600_000
    return ms // step * step
