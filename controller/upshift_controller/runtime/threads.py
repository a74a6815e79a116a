"""Work of the event loop that would block it, on threads that nobody waits for at the end.

asyncio's own are waited for, also by a process that is to end: a name server that does not answer
kept `upshift serve` for a minute after SIGTERM, and six such look-ups kept all other work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore, Thread
from typing import Any, TypeVar

#: Threads at a time. A look-up is given up by its caller after 2 s, and lasts some 30 s.
MOST = 64

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(Threads())
        return runner.run(main)


class Threads(ThreadPoolExecutor):  # asyncio takes no other kind
    """A thread for each piece of work. `OSError` is its result where they are too many."""

    def __init__(self) -> None:
        super().__init__(1)
        self._free = BoundedSemaphore(MOST)

    def submit(self, work: Callable[..., T], /, *args: Any, **named: Any) -> Future[T]:
        future: Future[T] = Future()
        if not self._free.acquire(blocking=False):
            future.set_exception(OSError(f"{MOST} threads are waiting already, for names perhaps"))
            return future

        def run() -> None:
            settle: Callable[[Any], None] = future.set_result
            result: Any = None
            try:
                if not future.set_running_or_notify_cancel():
                    return
                result = work(*args, **named)
            except BaseException as error:  # noqa: BLE001  # carried to whoever waits
                settle, result = future.set_exception, error
            finally:
                self._free.release()  # before anybody hears of it
            settle(result)

        try:
            Thread(target=run, name="upshift-work", daemon=True).start()
        except RuntimeError as error:  # the machine has no more to give
            self._free.release()
            future.set_exception(OSError(str(error)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for nobody."""
