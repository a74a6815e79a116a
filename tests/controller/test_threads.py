"""Work on threads: what asyncio hands over, and what becomes of too much of it."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest

from upshift_controller.threads import MOST, run


def test_results_and_errors_come_back() -> None:
    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(lambda: 7)

    assert run(main()) == 7


def test_what_hangs_keeps_nothing_else_until_there_is_very_much_of_it() -> None:
    go_on = Event()

    async def main() -> None:
        hanging = [asyncio.create_task(asyncio.to_thread(go_on.wait)) for _ in range(MOST - 1)]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(lambda: 7) == 7
        hanging.append(asyncio.create_task(asyncio.to_thread(go_on.wait)))
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="threads are waiting already"):
            await asyncio.to_thread(lambda: 7)
        go_on.set()
        await asyncio.gather(*hanging)
        assert await asyncio.to_thread(lambda: 7) == 7

    run(main())
