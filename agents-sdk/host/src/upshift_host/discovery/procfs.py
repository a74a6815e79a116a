"""What the kernel says of processes, one file at a time. A process may end between any two reads.

So everything answers with nothing where there is nothing, or nothing that we may read: that a
process is gone is the next scan's to notice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Of a command line, an environment, a list of mappings: bytes that are looked at.
MAX_COMMAND = 4096
MAX_ENVIRONMENT = 256 * 1024
MAX_MAPS = 4 * 1024 * 1024
MAX_SOCKETS = 16 * 1024 * 1024
MAX_PARTS = MAX_SOCKETS  # of a file: as many as there are


@dataclass(frozen=True, slots=True)
class Stat:
    """Of /proc/PID/stat. ended: a zombie, which nothing but its parent's look keeps there."""

    parent: int
    start_ticks: int
    ended: bool


class Procfs:
    """root: of the procfs, /proc unless a test has its own."""

    def __init__(self, root: str | Path = "/proc") -> None:
        self._root = os.fspath(root)

    def pids(self) -> dict[int, int]:
        """Each pid, and a number that is another one when the pid has been given anew.

        That is its inode's, which the kernel hands out with each process's folder (and again after
        it was short of memory, so another number need not mean another process). To list 500
        processes so takes half a millisecond.
        """
        with os.scandir(self._root) as entries:
            return {int(entry.name): entry.inode() for entry in entries if entry.name.isdecimal()}

    def stat(self, pid: int) -> Stat | None:
        # Behind the program's name, which may hold blanks and brackets. One read has all of it.
        fields = self._read(pid, "stat", 4096, parts=1).rpartition(b")")[2].split()
        with suppress(IndexError, ValueError):
            return Stat(int(fields[1]), int(fields[19]), fields[0] in (b"Z", b"X"))
        return None

    def command(self, pid: int) -> tuple[str, ...]:
        """Empty for the kernel's own threads, and for a zombie."""
        return tuple(_texts(self._read(pid, "cmdline", MAX_COMMAND)))

    def environment(self, pid: int) -> dict[str, str]:
        """As it was when the process began."""
        pairs = (
            text.partition("=") for text in _texts(self._read(pid, "environ", MAX_ENVIRONMENT))
        )
        return {name: value for name, equals, value in pairs if equals}

    def exe(self, pid: int) -> str:
        """The program's path in its own mount namespace, without the mark of a deleted one.

        Empty for the kernel's own threads, and for a zombie.
        """
        return self._link(pid, "exe").removesuffix(" (deleted)")

    def open_exe(self, pid: int) -> int | None:
        """A descriptor of the program, whatever has become of its name."""
        with suppress(OSError):
            return os.open(f"{self._root}/{pid}/exe", os.O_RDONLY | os.O_CLOEXEC)
        return None

    def namespace(self, pid: int, kind: str) -> str:
        """Such as `net:[4026531840]`."""
        return self._link(pid, f"ns/{kind}")

    def cgroups(self, pid: int) -> tuple[str, ...]:
        lines = self._read(pid, "cgroup", 16_384).decode("utf-8", "replace").splitlines()
        return tuple(line.split(":", 2)[2] for line in lines if line.count(":") >= 2)

    def inner_pid(self, pid: int) -> int:
        """Its pid as it sees itself, in the innermost of its pid namespaces."""
        for line in self._read(pid, "status", 8192).splitlines():
            if line.startswith(b"NSpid:"):
                with suppress(ValueError, IndexError):
                    return int(line.split()[-1])
        return pid

    def maps(self, pid: int) -> str:
        """Names of mapped files, as lines of /proc/PID/maps."""
        return self._read(pid, "maps", MAX_MAPS).decode("utf-8", "replace")

    def host_name(self, pid: int) -> str:
        """What its container calls its host."""
        return self._read(pid, "root/etc/hostname", 256).decode("utf-8", "replace").strip()

    def listeners(self, pid: int) -> Iterator[tuple[int, int]]:
        """Port, and inode of the socket, of all that listens by TCP in its network namespace."""
        for name in ("net/tcp", "net/tcp6"):
            for line in self._read(pid, name, MAX_SOCKETS).splitlines()[1:]:
                fields = line.split()
                with suppress(IndexError, ValueError):
                    if fields[3] == b"0A":  # TCP_LISTEN
                        yield int(fields[1].rpartition(b":")[2], 16), int(fields[9])

    def sockets(self, pid: int) -> set[int]:
        """Inodes of the sockets that it has open."""
        found: set[int] = set()
        with suppress(OSError), os.scandir(f"{self._root}/{pid}/fd") as entries:
            for entry in entries:
                with suppress(OSError, ValueError):
                    target = os.readlink(entry.path)
                    if target.startswith("socket:["):
                        found.add(int(target[8:-1]))
        return found

    def _link(self, pid: int, name: str) -> str:
        with suppress(OSError):
            return os.readlink(f"{self._root}/{pid}/{name}")
        return ""

    def _read(self, pid: int, name: str, most: int, parts: int = MAX_PARTS) -> bytes:
        """At most so many bytes. procfs hands them out in parts, of a page or so."""
        found: list[bytes] = []
        with suppress(OSError):
            file = os.open(f"{self._root}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                while len(found) < parts and most > 0 and (part := os.read(file, most)):
                    found.append(part)
                    most -= len(part)
            finally:
                os.close(file)
        return b"".join(found)


def _texts(raw: bytes) -> list[str]:
    return [part.decode("utf-8", "replace") for part in raw.rstrip(b"\0").split(b"\0") if raw]
