"""Schedules as the API and `upshift schedule` show them: what is open now, and the next times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from upshift_agent.contract import Profile
from upshift_rules.leases.overrides import unnamed
from upshift_rules.model import Schedule

from ..runtime.slices import each
from ..sources.schedules.windows import Window, window_at, windows
from .agent_models import Body, Ms


class WindowView(Body):
    """A window of a schedule. Its lease ends at the latest when it does."""

    starts_at_ms: Ms
    ends_at_ms: Ms
    local: Annotated[str, Field(description="when it begins, as the clocks of its zone show it")]


class ScheduleView(Body):
    name: str
    cron: str
    timezone: str
    kind: Literal["boost", "cap"]
    targets: list[str]
    profiles: Annotated[
        list[Profile | Literal["all"]], Field(description="each gets a lease of its own")
    ]
    hz: int
    duration_ms: int
    jitter_ms: int
    where: dict[str, str | list[str]]
    open: Annotated[WindowView | None, Field(description="the window that is open now")]
    next: Annotated[list[WindowView], Field(description="those that begin next")]


class Schedules(Body):
    now_ms: Ms
    schedules: Annotated[list[ScheduleView], Field(description="in the order of the file")]


async def shown(schedules: Sequence[Schedule], now_ms: int, count: int) -> Schedules:
    """Return schedules with the `count` next windows of each, as of `now_ms`."""
    views = await each(lambda it: _shown(it, now_ms, count), schedules)
    return Schedules(now_ms=now_ms, schedules=views)


def _shown(schedule: Schedule, now_ms: int, count: int) -> ScheduleView:
    zone, now = ZoneInfo(schedule.zone), window_at(schedule, now_ms)

    def view(window: Window) -> WindowView:
        local = datetime.fromtimestamp(window.starts_at_ms / 1000, zone)
        return WindowView(**window._asdict(), local=local.isoformat())

    return ScheduleView(
        name=schedule.name,
        cron=schedule.cron.text,
        timezone=schedule.zone,
        kind=schedule.kind,
        targets=[*schedule.targets],
        profiles=[*schedule.profiles] or [unnamed(schedule.kind, schedule.frequency_hz)],
        hz=schedule.frequency_hz,
        duration_ms=schedule.duration_ms,
        jitter_ms=schedule.jitter_ms,
        where={k: v if isinstance(v, str) else [*v] for k, v in schedule.where.items()},
        open=now and view(now),
        next=[view(it) for it in islice(windows(schedule, now_ms), count)],
    )
