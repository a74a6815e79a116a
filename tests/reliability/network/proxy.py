"""A TCP proxy between agents and Redis: it can go silent, or swallow what Redis pushes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar


class Proxy:
    """Runs on a thread of its own. `cut`, `heal` and `drop_messages` serve any thread."""

    def __init__(self, port: int) -> None:
        self._redis_port = port
        self._dropping = False
        #: Messages swallowed so far.
        self.dropped = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """From now on nothing gets through, and nothing is refused: packets just vanish."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        """What was on its way arrives now, as by TCP's retransmission."""
        self._loop.call_soon_threadsafe(self._open.set)

    def drop_messages(self) -> None:
        """From now on subscribers stay subscribed, and hear nothing."""
        self._dropping = True

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    async def run(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop, self._open = asyncio.Event(), asyncio.Event()
        self._open.set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._open.wait()
            theirs = await asyncio.open_connection("127.0.0.1", self._redis_port)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._up(reader, theirs[1]))
                    both.create_task(self._down(theirs[0], writer))
            except* (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                theirs[1].close()
        writer.close()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError  # the other direction ends as well

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            frame = await _frame(reader)
            await self._open.wait()
            if self._dropping and frame.split(b"\r\n", 3)[2:3] in ([b"message"], [b"smessage"]):
                self.dropped += 1
                continue
            writer.write(frame)
            await writer.drain()


P = TypeVar("P", bound=Proxy)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """One whole reply or push of RESP2 or RESP3, as it came."""
    line = await reader.readuntil(b"\r\n")
    kind, rest = line[:1], line[1:-2]
    if kind in b"$=!" and rest != b"-1":
        return line + await reader.readexactly(int(rest) + 2)
    if kind in b"*>~%" and rest != b"-1":
        parts = int(rest) * (2 if kind == b"%" else 1)
        return b"".join([line, *[await _frame(reader) for _ in range(parts)]])
    return line


@contextmanager
def proxy(port: int, kind: type[P] = Proxy) -> Iterator[P]:  # type: ignore[assignment]  # see P
    """A proxy before the Redis on `port`, or one of another kind."""
    started, ready = kind(port), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(started.run(ready)), name="proxy")
    thread.start()
    assert ready.wait(10)
    try:
        yield started
    finally:
        started.stop()
        thread.join(10)
