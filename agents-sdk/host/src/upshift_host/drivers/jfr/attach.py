"""HotSpot's attach protocol: a diagnostic command over a Unix socket in the JVM's own /tmp.

A JVM opens that socket when it gets SIGQUIT and finds `.attach_pidN`. One that does not handle
SIGQUIT would be ended by it, so that is asked first. It talks to root, and to its own user; in a
user namespace of its own it knows no root of ours, so there its own user is who connects.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from upshift_host.workload import Workload

from ..errors import ProfilerFailed
from .place import Place

#: For the socket to appear: a JVM looks for the file at its next safepoint.
APPEARS_S = 5.0
#: For an answer: the first recording in a JVM loads some hundred classes.
ANSWERS_S = 10.0
#: A library that is loaded reads the symbols of the whole JVM first.
LOADS_S = 30.0
NO_ATTACH = b"+DisableAttachMechanism"
MAX_ANSWER = 1024 * 1024  # bytes
_RETURNED = re.compile(r"^return code: (-?\d+)\s*$", re.MULTILINE)

Result = TypeVar("Result")


def ask(pid: int, command: str) -> str:
    """Run a diagnostic command, such as `JFR.check`, in a JVM, and return what it says.

    Raise `ProfilerFailed` if the JVM cannot be asked, or refuses.
    """
    code, said = _told(pid, "jcmd", command, "", "", within_s=ANSWERS_S)
    if code != "0":
        raise ProfilerFailed(f"the JVM {pid} refuses: {' '.join(said.split())[:300]}")
    return said


def load(pid: int, library: str, options: str) -> int:
    """Have a JVM load a native agent, or call it again; its own code, of which 0 is well.

    library: its path as the JVM sees it. Raise `ProfilerFailed` if the JVM cannot load it.
    """
    code, said = _told(pid, "load", library, "true", options, within_s=LOADS_S)
    returned = _RETURNED.search(said)
    if code != "0" or returned is None:
        raise ProfilerFailed(f"the JVM {pid} refuses: {' '.join(said.split())[:300]}")
    return int(returned[1])


def _told(pid: int, *command: str, within_s: float) -> tuple[str, str]:
    """The code that a JVM answers to a command and its three arguments, and what it says."""
    inner = _inner_pid(pid)
    with Place(pid) as place, _connected(pid, inner, place) as connection:
        try:
            connection.settimeout(within_s)
            connection.sendall(b"\0".join([b"1", *(part.encode() for part in command), b""]))
            answer = _all_of(connection)
        except OSError as error:
            raise ProfilerFailed(f"the JVM {pid} does not answer: {error}") from error
    if not answer:
        raise ProfilerFailed(f"the JVM {pid} does not answer: it takes us for another user")
    code, _, said = answer.partition("\n")
    return code.strip(), said


def why_not(workload: Workload) -> str | None:
    """Why the JVM of this workload cannot be asked, None where it can."""
    pid = workload.processes[0].pid
    try:
        if os.geteuid() not in (0, int(status_of(pid, "Uid")[1])):
            return f"the JVM {pid} is another user's: only root and its own user may ask it"
        if closed := _closed(pid):
            return closed
        with Place(pid):
            return None
    except ProfilerFailed as error:
        return str(error)


@contextmanager
def _connected(pid: int, inner: int, place: Place) -> Iterator[socket.socket]:
    """A connection to the JVM, which is made to listen if it does not. Raise `ProfilerFailed`."""
    user = foreign_user(pid)
    try:
        connection = _connect(place, inner, user) or _made_to_listen(pid, inner, place, user)
    except OSError as error:
        raise ProfilerFailed(f"the JVM {pid} cannot be attached to: {error}") from error
    with connection:
        yield connection


def _connect(place: Place, inner: int, user: tuple[int, int] | None) -> socket.socket | None:
    """None where nobody listens: no socket, or one that a former process has left behind."""

    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(ANSWERS_S)
            connection.connect(place.path(f".java_pid{inner}"))
        except BaseException:
            connection.close()
            raise
        return connection

    with suppress(FileNotFoundError, ConnectionRefusedError):
        return as_user(user, connect)
    return None


def _made_to_listen(
    pid: int, inner: int, place: Place, user: tuple[int, int] | None
) -> socket.socket:
    """Ask it to, and connect. Raise `ProfilerFailed` if it does not listen in time."""
    if closed := _closed(pid):
        raise ProfilerFailed(closed)
    mark = f".attach_pid{inner}"
    flags = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        as_user(user, lambda: os.close(os.open(mark, flags, 0o600, dir_fd=place.descriptor)))
        os.kill(pid, signal.SIGQUIT)
        deadline, pause_s = time.monotonic() + APPEARS_S, 0.01
        while (connection := _connect(place, inner, user)) is None:
            if time.monotonic() > deadline:
                raise ProfilerFailed(f"the JVM {pid} opened no socket in {APPEARS_S:g} s")
            time.sleep(pause_s)
            pause_s = min(0.1, 1.5 * pause_s)
        return connection
    finally:
        place.remove(mark)


def _all_of(connection: socket.socket) -> str:
    parts: list[bytes] = []
    left = MAX_ANSWER
    while left > 0 and (part := connection.recv(min(left, 65_536))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts).decode("utf-8", "replace")


def status_of(pid: int, name: str) -> list[str]:
    """A line of /proc/PID/status, in words. Raise `ProfilerFailed` where there is none."""
    with suppress(OSError), open(f"/proc/{pid}/status", encoding="utf-8") as status:
        for line in status:
            if line.startswith(f"{name}:"):
                return line.split()[1:]
    raise ProfilerFailed(f"process {pid} has ended")


def _inner_pid(pid: int) -> int:
    """Its pid as it knows it itself."""
    return int(status_of(pid, "NSpid")[-1])


def _closed(pid: int) -> str | None:
    """Why a process must not be sent SIGQUIT; None where a JVM waits for it."""
    if not int(status_of(pid, "SigCgt")[0], 16) & 1 << signal.SIGQUIT - 1:
        return f"process {pid} handles no SIGQUIT: it is no JVM, or runs with -Xrs"
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as line:
        if NO_ATTACH in line.read():  # it would print all of its stacks
            return f"the JVM {pid} runs with -XX:{NO_ATTACH.decode()}"
    return None


def foreign_user(pid: int) -> tuple[int, int] | None:
    """User and group of a process in a user namespace of its own; None for one in ours."""
    try:
        if os.readlink(f"/proc/{pid}/ns/user") == os.readlink("/proc/self/ns/user"):
            return None
    except OSError as error:
        raise ProfilerFailed(f"process {pid} cannot be looked at: {error}") from error
    return int(status_of(pid, "Uid")[1]), int(status_of(pid, "Gid")[1])


#: Linux keeps them by thread, and only the C library makes them the process's.
_SET_GROUP_AND_USER = {"x86_64": (119, 117), "aarch64": (149, 147)}


def as_user(user: tuple[int, int] | None, do: Callable[[], Result]) -> Result:
    """Do it as this user and group: on a thread of its own that has given up all other rights, so
    that nothing else of this process ever runs so. None: as we are."""
    if user is None:
        return do()
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            _become(*user)
            results.append(do())
        except BaseException as error:  # noqa: BLE001  # raised again where it was asked for
            errors.append(error)

    thread = threading.Thread(target=run, name="upshift-as-user")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _become(user: int, group: int) -> None:
    numbers = _SET_GROUP_AND_USER.get(platform.machine())
    if numbers is None:
        raise OSError(f"on {platform.machine()} no JVM in a user namespace of its own can be asked")
    libc = ctypes.CDLL(None, use_errno=True)
    for number, id_ in zip(numbers, (group, user), strict=True):
        if libc.syscall(number, id_, id_, id_) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
