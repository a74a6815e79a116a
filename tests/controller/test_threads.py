"""Work on threads: what asyncio hands over, and what becomes of too much of it."""

from __future__ import annotations

import asyncio
from threading import Event, Thread

import pytest

from upshift_controller.runtime.threads import MOST, run


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


def test_a_thread_that_cannot_be_started_is_an_error_and_takes_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> int:
        with monkeypatch.context() as patched:
            patched.setattr(Thread, "start", start)
            for _ in range(MOST + 1):
                with pytest.raises(OSError, match="can't start"):
                    await asyncio.to_thread(lambda: 7)
        return await asyncio.to_thread(lambda: 7)

    assert run(main()) == 7
