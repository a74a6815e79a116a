"""The folder of the own Valkey: who owns it, its locks and its port."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO
from zlib import crc32

from ...errors import StartRefused

#: A folder's own port is one of these: below those that systems lend to outgoing connections. Were
#: it the same for all, a Valkey that ends might find another folder's in its place, and so might
#: its controller and agents.
PORTS = range(10_000, 30_000)


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Hold `folder`, which is made where it is missing. Raise `StartRefused` naming its owner."""
    lock = folder / "lock"
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = stack.enter_context(locked(lock))
        except BlockingIOError as error:
            owner = lock.read_text(errors="replace").strip()[:20] or "unknown"
            raise StartRefused(
                f"{folder} belongs to a controller that runs (process {owner}); give this one "
                "another folder with --data, or both the same Redis with --redis"
            ) from error
        except OSError as error:
            raise cannot_keep(folder, error) from error
        with suppress(OSError):  # a full disk; the name only helps whoever comes second
            held.truncate(0)
            held.write(f"{os.getpid()}\n")
            held.flush()
        yield


@contextmanager
def locked(path: Path) -> Iterator[IO[str]]:
    """Raise `BlockingIOError` where somebody has the lock, or has inherited it."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file


def cannot_keep(folder: Path, error: OSError) -> StartRefused:
    return StartRefused(f"cannot keep data under {folder}: {error.strerror or error}")


def own_port(folder: Path) -> int:
    return PORTS[crc32(bytes(folder.resolve())) % len(PORTS)]
