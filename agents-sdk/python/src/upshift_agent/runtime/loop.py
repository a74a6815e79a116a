"""An event loop that can be abandoned: by the interpreter's exit, and by a forked child."""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import socket
import threading
import weakref
from collections.abc import Coroutine
from typing import Any

from . import process
from .gate import gate


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they are done.

    Once is not enough: on Python 3.11 `asyncio.wait_for`, with which redis-py sends, loses a
    cancellation that comes just as the sending is done (python/cpython#86296, mended in 3.12).
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=0.1)
    for task in tasks:  # what they died of was told by the first of them
        task.cancelled() or task.exception()


async def until_one_fails(**named: Coroutine[Any, Any, None]) -> None:
    """Run all of them, none of which ends but by a failure. Raise that of the first."""
    tasks = [asyncio.create_task(work, name=f"upshift-{name}") for name, work in named.items()]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(*tasks)


class Selector(selectors.DefaultSelector):
    """Lets forks happen while its loop waits, and only then: see `gate`."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        gate.__exit__()
        try:
            return super().select(timeout)
        finally:
            gate.__enter__()


class Loop(asyncio.SelectorEventLoop):
    _closed = True  # until it is made: where no descriptor is left, its end has nothing to close

    def __init__(self) -> None:
        self._polled = Selector()
        self._dialled = weakref.WeakSet[asyncio.Transport]()
        self._lookups: dict[tuple[Any, ...], asyncio.Future[Any]] = {}
        try:
            super().__init__(self._polled)
        except OSError:
            self._closed = True
            self._polled.close()
            raise
        process.loops.add(self)

    async def create_connection(self, *options: Any, **more: Any) -> Any:
        transport, protocol = await super().create_connection(*options, **more)
        self._dialled.add(transport)
        return transport, protocol

    def abort_connections(self) -> None:
        """Before the end: by TLS, closing is a farewell, and takes until it is answered."""
        for transport in self._dialled:
            transport.abort()

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002  # asyncio's own signature
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        """Look a name up on a daemon thread: asyncio's executor is joined at exit, however long
        a dead name server takes. One look-up at a time for one name, however often it is asked."""
        import encodings.idna  # noqa: F401  # which the look-up itself would import, out of the gate

        question = (host, port, family, type, proto, flags)
        if question not in self._lookups:
            answer = self._lookups[question] = self.create_future()
            answer.add_done_callback(lambda _: self._lookups.pop(question))
            # Nobody may be waiting any more when the answer is an error.
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            threading.Thread(
                target=self._look_up, args=(question, answer), name="upshift-dns", daemon=True
            ).start()
        return await asyncio.shield(self._lookups[question])

    def _look_up(self, question: tuple[Any, ...], answer: asyncio.Future[Any]) -> None:
        settle: Any = answer.set_result
        try:
            result: Any = socket.getaddrinfo(*question)
        except Exception as error:  # noqa: BLE001  # carried to whoever asked
            settle, result = answer.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is waiting
            self.call_soon_threadsafe(lambda: answer.done() or settle(result))

    def let_go(self) -> None:
        """In a forked child: drop the child's copies of the parent's connections.

        Each descriptor is put on /dev/null rather than closed. Its number stays taken, so that
        what is left of the parent's objects, which must never run again, cannot reach the
        parent's sockets through the shared epoll instance, nor a stranger's by a reused number.
        """
        if self.is_closed():
            return
        epoll, *polled = self._polled.fileno(), *(key.fd for key in self._polled.get_map().values())
        os.close(epoll)  # so that there is a number to be had
        null = os.open(os.devnull, os.O_RDWR)
        for fd in {epoll, *polled} - {null}:
            os.dup2(null, fd, inheritable=False)
        if null != epoll:
            os.close(null)
