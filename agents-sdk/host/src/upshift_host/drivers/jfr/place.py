"""The /tmp of a process, in its own mount namespace, and what a JVM puts there for us.

Whoever owns the process owns what is there, and may have put links in our way. So no name there is
followed: everything is opened below a descriptor of the folder, and must be what it should be.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from contextlib import suppress
from types import TracebackType

from ..errors import ProfilerFailed

MAX_RECORDING = 64 * 1024 * 1024  # bytes
#: What of ours is older was left by one of us that was killed.
LEFT_S = 60.0
_NAME = "upshift-{}.jfr"
_OURS = re.compile(r"(?:upshift-|asprof-log\.)[0-9a-f]{32}(?:\.jfr|\.new)?|\.attach_pid[0-9]+")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def writes_to_disk(pid: int) -> bool:
    """Whether one of a JVM's recordings is on disk: it has a file of that open. Raise
    `ProfilerFailed` where that cannot be seen."""
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(folder)
    except OSError as error:
        raise ProfilerFailed(f"the files of process {pid} cannot be seen: {error}") from error
    for descriptor in descriptors:
        with suppress(OSError):
            if os.readlink(f"{folder}/{descriptor}").endswith(".jfr"):
                return True
    return False


class Place:
    """Opened once; use it as a context, or `close` it."""

    def __init__(self, pid: int) -> None:
        """Raise `ProfilerFailed` if the process has ended, or its /tmp cannot be reached."""
        try:
            root = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self.descriptor = os.open("tmp", _FOLDER, dir_fd=root)
            finally:
                os.close(root)
        except OSError as error:
            raise ProfilerFailed(f"the /tmp of process {pid} cannot be reached: {error}") from error

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.descriptor)

    def path(self, name: str) -> str:
        """A path of ours for a name in that folder."""
        return f"/proc/self/fd/{self.descriptor}/{name}"

    def new_name(self) -> str:
        """For a recording; nobody can have put anything there."""
        return _NAME.format(secrets.token_hex(16))

    def take(self, name: str) -> bytes:
        """The content of a recording, which is removed. Raise `ProfilerFailed`."""
        try:
            file = os.open(
                name,
                os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                dir_fd=self.descriptor,
            )
            try:
                found = os.fstat(file)
                if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_RECORDING:
                    raise ProfilerFailed(f"the JVM's recording is no file that is read: {name}")
                return os.read(file, found.st_size) if found.st_size else b""
            finally:
                os.close(file)
        except OSError as error:
            raise ProfilerFailed(f"the JVM's recording cannot be read: {error}") from error
        finally:
            self.remove(name)

    def remove(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(name, dir_fd=self.descriptor)

    def tidy(self) -> None:
        """Remove what was left behind here."""
        with suppress(OSError):
            for name in os.listdir(self.descriptor):
                if _OURS.fullmatch(name) and self._age_s(name) > LEFT_S:
                    self.remove(name)

    def _age_s(self, name: str) -> float:
        with suppress(OSError):
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
            return time.time() - found.st_mtime
        return 0.0
