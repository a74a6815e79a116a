"""The file itself: read, written beside, and put in place by rename.

Whoever reads it sees the former content or the new one, whole, at any moment. Beside it are, while
they are needed: `.NAME.upshift-new`, which is being checked; `.NAME.upshift-end`, which is about to
take its place; and `.NAME.upshift-rest`, the content at the baseline, for as long as the
profiler runs at anything else. After a crash that one says so, and it can be put in place when a
disk is full.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

MAX_BYTES = 1024 * 1024
#: Of a file that was not there: its readers are other users.
MODE = 0o644
FULL = (errno.ENOSPC, errno.EDQUOT)


class Place:
    """For one thread at a time. Every method raises `OSError`."""

    def __init__(self, path: Path) -> None:
        """path: absolute. A symbolic link stays one, and what it names is replaced."""
        self._given = path

    @property
    def path(self) -> Path:
        return Path(os.path.realpath(self._given))

    def read(self) -> bytes | None:
        """None: it is not there."""
        return _read(self.path)

    def write_beside(self, content: bytes, kind: str) -> Path:
        """A file with this content, and with the mode, owner and labels of the one it is for."""
        path = self._beside(kind)
        path.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)
        try:
            try:
                _write(file, content)
                _alike(file, self.path)
                os.fsync(file)
            finally:
                os.close(file)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise
        return path

    def put(self, beside: Path) -> None:
        """Put it in the file's place."""
        try:
            os.replace(beside, self.path)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise OSError(
                    error.errno, "it is mounted by itself and cannot be replaced; mount its folder"
                ) from error
            raise

    def drop(self, kind: str) -> None:
        with suppress(OSError):
            self._beside(kind).unlink(missing_ok=True)

    def beside(self, kind: str) -> bytes | None:
        """What is left there; None: nothing."""
        return _read(self._beside(kind))

    def put_rest(self) -> None:
        """Put what is at the baseline in the file's place, which takes no room. It stays beside it,
        too: the profiler does not know yet."""
        rest, end = self._beside("rest"), self._beside("end")
        try:
            end.unlink(missing_ok=True)
            os.link(rest, end)
        except OSError:  # a file system without links
            end = rest
        self.put(end)

    def why_not(self) -> str | None:
        """Why it cannot be replaced, as far as that can be told; None where it can."""
        folder = self.path.parent
        if not folder.is_dir():
            return f"{folder} is not there"
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"may not write in {folder}"
        return None

    def _beside(self, kind: str) -> Path:
        path = self.path
        # Neither a watcher of a folder nor a pattern such as *.yaml takes it for one of its files.
        return path.with_name(f".{path.name}.upshift-{kind}")


def _read(path: Path) -> bytes | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, "it has more than 1 MiB")
    return content


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


def _alike(file: int, of: Path) -> None:
    try:
        its = of.stat()
    except FileNotFoundError:
        os.fchmod(file, MODE)
        return
    mine = os.fstat(file)
    if (its.st_uid, its.st_gid) != (mine.st_uid, mine.st_gid):
        os.fchown(file, its.st_uid, its.st_gid)
    os.fchmod(file, stat.S_IMODE(its.st_mode))
    with suppress(OSError):  # a file system without them
        for name in os.listxattr(of):
            with suppress(OSError):
                os.setxattr(file, name, os.getxattr(of, name))
