"""Ending tasks that do not hear it the first time."""

import asyncio

from upshift_agent.runtime.loop import end


async def test_a_task_that_loses_a_cancellation_ends_all_the_same() -> None:
    lost = 0

    async def deaf() -> None:
        nonlocal lost
        while lost < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
        await asyncio.sleep(60)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)  # it has begun
    await end(task)
    assert task.cancelled()
    assert lost == 2


async def test_what_a_task_died_of_is_nobodys_surprise() -> None:
    async def failing() -> None:
        raise RuntimeError("no")

    task = asyncio.create_task(failing())
    await asyncio.wait([task])
    await end(task)
    assert task.done()
