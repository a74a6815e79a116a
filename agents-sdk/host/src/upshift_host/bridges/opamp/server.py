"""The OpAMP server: connections of supervisors, and the agent of each collector."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, WSMsgType, web

from ...said import describe
from ..agents import Agents
from ..reading import Settings
from ..settings import OpampEntry
from .configured import contents_of
from .contents import Offer
from .driver import CollectorDriver
from .messages import Report, ask_for_all, offer, read, refuse

MAX_MESSAGE = 2 * 1024 * 1024  # bytes
#: A connection that says nothing, not even that it is alive, is closed.
HEARTBEAT_S = 30.0
FIRST_S = 10.0
#: For a supervisor to answer that it is let go.
CLOSE_S = 2.0
#: How long the agent of a collector outlives its connection: a supervisor comes back in a moment.
LINGER_S = 15.0
#: Messages that wait for a supervisor that takes none; then its connection is ended.
MAX_WAITING = 64
#: So that those who are turned away do not all come back at once.
RETRY_AFTER_S = 30


@dataclass(slots=True, eq=False)
class Connection:
    socket: web.WebSocketResponse
    uid: bytes = b""
    asked: bool = False  # for all that it says only once
    out: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))

    def send(self, message: bytes) -> None:
        """From the event loop. A supervisor that takes nothing is let go: it will come back."""
        try:
            self.out.put_nowait(message)
        except asyncio.QueueFull:
            self.end()

    def end(self) -> None:
        task = asyncio.ensure_future(self.socket.close(code=WSCloseCode.TRY_AGAIN_LATER))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


@dataclass(slots=True, eq=False)
class Served:
    driver: CollectorDriver
    said: Mapping[str, str]  # of itself
    connection: Connection | None = None
    leaves: asyncio.TimerHandle | None = None


class OpampBridge:
    """Of one event loop."""

    def __init__(self, settings: Settings, entry: OpampEntry) -> None:
        self._entry, self._settings = entry, settings
        self._contents = contents_of(settings.folder, entry)
        self.agents = Agents(settings)
        self._served: dict[bytes, Served] = {}
        self._connections: set[Connection] = set()
        self._closed = False
        self._counts = dict.fromkeys(
            ("connections", "turned_away", "refused", "pushed", "failures"), 0
        )

    def add_to(self, app: web.Application) -> None:
        app.router.add_get(self._entry.path, self._connect)

    def counts(self) -> Mapping[str, int]:
        living = [served.driver for served in list(self._served.values())]
        return {
            **self._counts,
            "connected": len(self._connections),
            "pushed": self._counts["pushed"] + sum(it.pushed for it in living),
            "failures": self._counts["failures"] + sum(it.failures for it in living),
        }

    async def close(self, timeout_s: float) -> None:
        """Every collector to what holds without leases, then the connections end."""
        self._closed = True
        for served in self._served.values():
            served.driver.end()
        await asyncio.to_thread(self.agents.close, timeout_s)
        ends = [it.socket.close(code=WSCloseCode.GOING_AWAY) for it in self._connections]
        await asyncio.gather(*ends, return_exceptions=True)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if "Origin" in request.headers:  # no supervisor has one, a web page that tries has
            self._counts["turned_away"] += 1
            raise web.HTTPForbidden(text="browsers are not served\n")
        if not self._may(request.headers.get("Authorization", "")):
            self._counts["turned_away"] += 1
            raise web.HTTPUnauthorized(text="send Authorization: Bearer TOKEN\n")
        if len(self._connections) >= self._entry.most:
            self._counts["turned_away"] += 1
            self.agents.tell(
                f"more than {self._entry.most} supervisors: opamp.most turns some away"
            )
            raise web.HTTPServiceUnavailable(headers={"Retry-After": str(RETRY_AFTER_S)})
        socket = web.WebSocketResponse(
            timeout=CLOSE_S, max_msg_size=MAX_MESSAGE, heartbeat=HEARTBEAT_S, compress=False
        )
        if not socket.can_prepare(request).ok:
            raise web.HTTPUpgradeRequired(
                text="OpAMP by WebSocket is served here, ws:// or wss://\n"
            )
        connection = Connection(socket)
        self._connections.add(connection)
        self._counts["connections"] += 1
        try:
            await socket.prepare(request)
            writer = asyncio.create_task(_write(connection))
            try:
                await self._listen(connection)
            finally:
                writer.cancel()
        finally:
            self._connections.discard(connection)
            self._lost(connection)
        return socket

    def _may(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        given = token.strip().encode()
        known = [hmac.compare_digest(given, it) for it in self._settings.tokens]
        return not known or (scheme.lower() == "bearer" and any(known))

    async def _listen(self, connection: Connection) -> None:
        while True:
            try:
                limit = None if connection.uid else FIRST_S
                message = await connection.socket.receive(limit)
            except (TimeoutError, RuntimeError):
                return
            if message.type is not WSMsgType.BINARY:
                return  # it closes, has broken off, was too large, or speaks something else
            try:
                report = read(message.data)
                if connection.uid not in (b"", report.uid):
                    raise ValueError("its instance_uid has changed")
            except ValueError as error:
                self._counts["refused"] += 1
                self.agents.tell(f"a message of a supervisor is refused: {describe(error)}")
                connection.send(refuse(connection.uid, str(error)))
                if not connection.uid:
                    await asyncio.sleep(0.1)  # for the answer to go out
                    return
                continue
            self._hear(connection, report)

    def _hear(self, connection: Connection, report: Report) -> None:
        if self._closed:
            return
        first = not connection.uid
        connection.uid = report.uid
        served = self._served.get(report.uid)
        if served is not None and served.connection not in (connection, None) and not first:
            return  # another one has come in its place, and it is being ended
        if report.leaves:
            if served is not None and served.connection in (connection, None):
                self._leave(report.uid)
            return
        if served is not None and report.attributes and report.attributes != served.said:
            self._leave(report.uid)  # it is somebody else by now
            served = None
        if served is None:
            if not report.attributes:
                if not connection.asked:
                    connection.asked = True
                    connection.send(ask_for_all(report.uid))
                return
            if (served := self._start(report)) is None:
                return
            first = True
        if served.connection is not connection:
            self._seat(served, connection)
        served.driver.hear(report, first=first)
        if first and served.driver.agent is not None:
            served.driver.agent.start()

    def _start(self, report: Report) -> Served | None:
        if len(self._served) >= self._entry.most:  # some of them have no connection any more
            self._leave(next(uid for uid, it in self._served.items() if it.connection is None))
        driver = CollectorDriver(self._contents, self._settings.document.baseline)
        driver.agent = self.agents.start(report.uid, driver, report.attributes)
        if driver.agent is None:
            return None
        self._served[report.uid] = served = Served(driver, report.attributes)
        return served

    def _seat(self, served: Served, connection: Connection) -> None:
        """It is the collector's from now on; of two that say they are the same, the newer."""
        former, served.connection = served.connection, connection
        if served.leaves is not None:
            served.leaves.cancel()
            served.leaves = None
        if former is not None:
            former.end()
        loop = asyncio.get_running_loop()

        def send(it: Offer) -> None:
            message = offer(connection.uid, it.files, it.hash)
            loop.call_soon_threadsafe(connection.send, message)

        served.driver.connected(send)

    def _lost(self, connection: Connection) -> None:
        served = self._served.get(connection.uid)
        if served is None or served.connection is not connection:
            return
        served.connection = None
        served.driver.lost()
        loop = asyncio.get_running_loop()
        served.leaves = loop.call_later(LINGER_S, self._leave, connection.uid)

    def _leave(self, uid: bytes) -> None:
        served = self._served.pop(uid)
        if served.leaves is not None:
            served.leaves.cancel()
        served.driver.leave()
        self.agents.stop(uid)
        self._counts["pushed"] += served.driver.pushed
        self._counts["failures"] += served.driver.failures


async def _write(connection: Connection) -> None:
    try:
        while True:
            await connection.socket.send_bytes(await connection.out.get())
    except (ConnectionError, RuntimeError):
        return  # it has gone; whoever listens to it knows
