"""When what is due is ended."""

from __future__ import annotations

import asyncio

from upshift_controller.leasing.expiry import Schedule
from upshift_controller.runtime.supervised import supervised


async def test_what_expires_is_ended_then_and_what_expires_next_is_waited_for() -> None:
    """Long before the first sweep."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    due_at = [loop.time() + 0.2, loop.time() + 0.4]
    ended: list[float] = []

    async def revert() -> tuple[int, int | None]:
        while due_at and due_at[0] <= loop.time():
            ended.append(due_at.pop(0))
        if not due_at:
            done.set()
        return 0, max(1, int((due_at[0] - loop.time()) * 1000)) if due_at else None

    async def nothing() -> None: ...

    schedule = Schedule(revert, nothing)
    async with supervised("reverts", schedule.revert_forever):
        schedule.expect(60_000, 0)
        schedule.expect(200, 0)  # the earlier one counts
        async with asyncio.timeout(30):
            await done.wait()
    schedule.stop()
    assert len(ended) == 2
    assert ended == sorted(ended)
