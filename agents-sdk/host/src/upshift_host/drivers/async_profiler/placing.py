"""Where a JVM finds the library, and whose async-profiler is in a JVM already.

In containers nothing of ours is to be seen, so the library is copied into the JVM's own /tmp, and
stays there while that JVM lives. Who else may write there could put another one in its place, and
the JVM would run that: so it counts only where nobody but root, us and the JVM's user could write
it.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from ..errors import ProfilerFailed
from ..jfr.attach import as_user, foreign_user, status_of
from ..jfr.place import Place
from .library import Library, readable_by_all

_COPY = "upshift-async-profiler-{}.so"
_OURS = re.compile(r"/upshift-async-profiler-[0-9a-f]{16}\.so$")
#: As its own builds are called, ap-loader's and pyroscope-java's.
_THEIRS = re.compile(r"/libasyncProfiler[^/]*\.so[^/]*$")
#: The thread that ends a session in time, as far as the kernel keeps its name.
TIMER = "Async-profiler "
_RECORDING = re.compile(r"/upshift-[0-9a-f]{32}\.jfr(?: \(deleted\))?$")


def put(pid: int, place: Place, library: Library) -> str:
    """The path of the library as the JVM sees it. Raise `ProfilerFailed`."""
    if library.path is not None and _sees(pid, library.path):
        return str(library.path)  # so it is the same one that its user's own `asprof` loads
    name = _COPY.format(library.digest)
    if not _there(pid, place, name, library.content):
        user = foreign_user(pid)
        try:
            as_user(user, lambda: _write(place, name, library.content))
        except OSError as error:
            raise ProfilerFailed(
                f"async-profiler's library cannot be put into the /tmp of the JVM {pid}: {error}"
            ) from error
    return f"/tmp/{name}"  # noqa: S108  # the JVM's; see above


def others(pid: int, own: str | None = None) -> list[str]:
    """The libraries of async-profiler in a JVM that are neither `own` nor copies of ours, by the
    paths that it knows."""
    found: dict[str, None] = {}
    with suppress(OSError), open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            path = line.rstrip("\n")[line.find("/") :].removesuffix(" (deleted)")
            if path != own and _THEIRS.search(path) and not _OURS.search(path):
                found[path] = None
    return list(found)


def timed(pid: int) -> bool:
    """Whether a session runs that has an end, or is written as ours are."""
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                name = Path(f"/proc/{pid}/task/{thread}/comm").read_text("utf-8", "replace")
                if name.rstrip("\n") == TIMER:
                    return True
    return False


def ours(pid: int) -> bool:
    """Whether a session that runs is one that we began, or one of us that has been killed since."""
    with suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                if _RECORDING.search(os.readlink(f"/proc/{pid}/fd/{descriptor}")):
                    return True
    return False


def _sees(pid: int, path: Path) -> bool:
    """Whether a JVM finds at this path what we do, and may load it."""
    try:
        inside = os.stat(f"/proc/{pid}/root{path}")
        return os.path.samestat(inside, path.stat()) and readable_by_all(path)
    except OSError:
        return False


def _there(pid: int, place: Place, name: str, content: bytes) -> bool:
    """Whether it is, whole, and nobody but root, us and the JVM's user could have written it."""
    trusted = {0, os.geteuid(), int(status_of(pid, "Uid")[1])}
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(OSError):
        file = os.open(name, flags, dir_fd=place.descriptor)
        try:
            found = os.fstat(file)
            safe = found.st_uid in trusted and not found.st_mode & 0o022
            whole = stat.S_ISREG(found.st_mode) and found.st_size == len(content)
            return safe and whole and os.read(file, len(content)) == content
        finally:
            os.close(file)
    return False


def _write(place: Place, name: str, content: bytes) -> None:
    """In one step, over whatever is there."""
    new = f"upshift-{secrets.token_hex(16)}.new"
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(new, flags, 0o444, dir_fd=place.descriptor)
    try:
        try:
            os.fchmod(file, 0o444)  # whatever our umask
            left = memoryview(content)
            while left:
                left = left[os.write(file, left) :]
        finally:
            os.close(file)
        os.rename(new, name, src_dir_fd=place.descriptor, dst_dir_fd=place.descriptor)
    except BaseException:
        place.remove(new)
        raise
