"""When what is due is ended, whatever the wall clock shows."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, tzinfo

import pytest
from apscheduler.schedulers import base

from upshift_controller.leasing import expiry as schedule
from upshift_controller.leasing.expiry import Schedule


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(0), timedelta(hours=-1)])
async def test_a_step_of_the_wall_clock_puts_no_revert_off(
    step: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stepped(datetime):
        by = timedelta(0)

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + cls.by

    monkeypatch.setattr(base, "datetime", Stepped)
    monkeypatch.setattr(schedule, "datetime", Stepped)
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    due_at = loop.time() + 0.3

    async def revert() -> tuple[int, int | None]:
        left_ms = int((due_at - loop.time()) * 1000)
        if left_ms <= 0:
            done.set()
        return 0, left_ms if left_ms > 0 else None

    async def nothing() -> None: ...

    reverts = Schedule(revert, nothing)
    reverts.start()
    reverts.expect(300, 0)
    Stepped.by = step
    async with asyncio.timeout(schedule.SWEEP_S / 2):
        await done.wait()
    reverts.stop()
