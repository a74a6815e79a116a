"""What people see of schedules: what each does to whom, beside its next times in its own zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import zip_longest

from rich.table import Table
from rich.text import Text

from upshift_agent.contract import CPU, shown

from . import show, text
from .text import Json

_NO_TIME = "", ""


def table(document: Json) -> Table:
    grid = show.table("SCHEDULE", "WHAT", "WHEN", ">IN")
    for number, row in enumerate(document["schedules"]):
        if number:
            grid.add_row()
        name = Text(row["name"], "bold")
        for what, time in zip_longest(_what(row), _times(row, document["now_ms"])):
            grid.add_row(name, what or "", *(time or _NO_TIME))
            name = Text()
    return grid


def _what(row: Json) -> Iterator[str]:
    """What it does, to whom, and by which line; one of each on a line of its own."""
    profiles = row["profiles"]
    named = "" if profiles == [CPU] else f"{', '.join(profiles)} "
    later = f", up to {text.span(row['jitter_ms'])} later" if row["jitter_ms"] else ""
    hz, length = shown(profiles[0], row["hz"]), text.span(row["duration_ms"])
    yield f"{row['kind']} {named}{hz} for {length}{later}"
    yield ", ".join(row["targets"])
    if row["where"]:
        yield text.only(row["where"])
    yield f"{row['cron']}, {row['timezone']}"


def _times(row: Json, now_ms: int) -> Iterator[tuple[Text | str, Text | str]]:
    """The window that is open, and those that come: when, and in how long."""
    if row["open"]:
        left = text.span(_rounded(row["open"]["ends_at_ms"] - now_ms))
        yield Text(_local(row["open"]), "green"), Text(f"open, {left} left", "green")
    for window in row["next"]:
        yield _local(window), text.span(_rounded(window["starts_at_ms"] - now_ms))


def _local(window: Json) -> str:
    """Such as `Mon 2026-03-30 02:33 +02:00`."""
    moment = datetime.fromisoformat(window["local"])
    return moment.strftime("%a %Y-%m-%d %H:%M ") + moment.isoformat()[19:]


def _rounded(ms: int) -> int:
    """To the minute from an hour on, to the hour from a week on."""
    step = 1000 if ms < 3_600_000 else 60_000 if ms < 7 * 86_400_000 else 3_600_000
    return ms // step * step
