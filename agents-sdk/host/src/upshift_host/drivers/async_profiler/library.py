"""async-profiler's native library: of Maven Central's jar, or of an `asprof` that is there."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ..errors import ProfilerFailed

NAME = "libasyncProfiler.so"
MAX_LIBRARY = 16 * 1024 * 1024  # bytes
#: Where the jar has the one of a machine.
IN_JAR = {"x86_64": f"linux-x64/{NAME}", "aarch64": f"linux-arm64/{NAME}"}
#: Below the home folder: where Maven keeps what it has fetched, a folder for each version.
MAVEN = ".m2/repository/tools/profiler/async-profiler"


@dataclass(frozen=True, slots=True)
class Library:
    """content: the file's. path: where it is by itself; None within a jar."""

    content: bytes = field(repr=False)
    path: Path | None = None
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        """digest: of the content, so that two libraries never pass for one."""
        object.__setattr__(self, "digest", hashlib.sha256(self.content).hexdigest()[:16])


def find(named: Path | None, home: Path | None = None) -> Library:
    """The library of `named`: a jar, the library itself, or a folder that holds either. None: of
    the `asprof` on the PATH, else the newest jar that Maven has fetched below `home`.

    Raise `ProfilerFailed` if there is none.
    """
    if named is not None:
        return _of(named)
    if (asprof := shutil.which("asprof")) is not None:
        return _of(Path(asprof).resolve().parent.parent)
    cache = (home or Path.home()) / MAVEN
    jars = sorted(cache.glob("*/async-profiler-*.jar"), key=_version)
    if not jars:
        raise ProfilerFailed(f"there is no asprof on the PATH, and no jar of it below {cache}")
    return _of(jars[-1])


def _version(jar: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in jar.parent.name.split(".") if part.isdigit())


@lru_cache(maxsize=4)  # one for all workloads
def _of(named: Path) -> Library:
    try:
        for path in _candidates(named):
            if path.suffix == ".jar":
                return Library(_in_jar(path))
            if path.is_file():
                return Library(_checked(path.read_bytes(), path), path.resolve())
    except (OSError, zipfile.BadZipFile) as error:
        raise ProfilerFailed(f"async-profiler's library cannot be read: {error}") from error
    raise ProfilerFailed(f"{named} holds neither {NAME} nor a jar of async-profiler")


def _candidates(named: Path) -> Iterator[Path]:
    if not named.is_dir():
        yield named
        return
    yield from (named / NAME, named / "lib" / NAME)
    yield from sorted(named.glob("async-profiler-*.jar"), reverse=True)


def _in_jar(jar: Path) -> bytes:
    machine = platform.machine()
    with zipfile.ZipFile(jar) as archive:
        try:
            entry = archive.getinfo(IN_JAR[machine])
        except KeyError:
            raise ProfilerFailed(f"{jar} has no library for {machine}") from None
        if entry.file_size > MAX_LIBRARY:
            raise ProfilerFailed(f"{jar} holds a library of {entry.file_size} bytes")
        return _checked(archive.read(entry), jar)


def _checked(content: bytes, of: Path) -> bytes:
    if not content.startswith(b"\x7fELF") or len(content) > MAX_LIBRARY:
        raise ProfilerFailed(f"{of} holds no library that this machine could load")
    return content


def readable_by_all(path: Path) -> bool:
    """Whether any user can load it, and only root and ours could have written it."""
    try:
        found = path.stat()
        ours = found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022
        return (
            ours
            and bool(found.st_mode & 0o004)
            and all(parent.stat().st_mode & 0o001 for parent in path.parents)
        )
    except OSError:
        return False
