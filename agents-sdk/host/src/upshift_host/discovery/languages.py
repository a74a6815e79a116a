"""Which language a process is written in, as far as that says which profilers can read it."""

from __future__ import annotations

import os
import re
import struct
from contextlib import suppress

from ..workload import Language
from .procfs import Procfs

#: By the program's name, where that says it already.
PROGRAMS: tuple[tuple[Language, re.Pattern[str]], ...] = (
    ("python", re.compile(r"python(\d+(\.\d+)*)?[a-z]?")),
    ("java", re.compile(r"java")),
    ("node", re.compile(r"node|nodejs")),
)
#: By what is mapped: a runtime's library, or what a static Python has for its modules.
MAPPED: tuple[tuple[Language, re.Pattern[str]], ...] = (
    ("java", re.compile(r"/libjvm\.so")),
    ("python", re.compile(r"/libpython\d[^/\n]*\.so|\.cpython-\d+[^/\n]*\.so")),
    ("node", re.compile(r"/libnode\.so")),
)
PT_NOTE = 4
GO_BUILD_ID = b"Go\0\0"
MAX_NOTES = 64 * 1024
MAX_HEADERS = 128


def language_of(procfs: Procfs, pid: int, exe: str) -> Language:
    """exe: the path of its program. What cannot be told apart is native."""
    program = os.path.basename(exe)
    for language, pattern in PROGRAMS:
        if pattern.fullmatch(program):
            return language
    maps = procfs.maps(pid)
    for language, pattern in MAPPED:
        if pattern.search(maps):
            return language
    return "go" if _is_go(procfs, pid) else "native"


def _is_go(procfs: Procfs, pid: int) -> bool:
    """Whether Go's linker has left its build id, which stripping does not take away."""
    file = procfs.open_exe(pid)
    if file is None:
        return False
    try:
        with suppress(OSError, struct.error):
            return any(GO_BUILD_ID in notes for notes in _notes(file))
        return False
    finally:
        os.close(file)


def _notes(file: int) -> list[bytes]:
    """What the ELF file has in segments of notes."""
    head = os.pread(file, 64, 0)
    if head[:4] != b"\x7fELF" or len(head) < 64:
        return []
    order = "<" if head[5] == 1 else ">"
    if head[4] == 2:  # 64 bits
        (table,) = struct.unpack_from(f"{order}Q", head, 32)
        size, count = struct.unpack_from(f"{order}HH", head, 54)
        layout, offset_at, length_at = f"{order}IIQQQQ", 2, 5
    else:
        (table,) = struct.unpack_from(f"{order}I", head, 28)
        size, count = struct.unpack_from(f"{order}HH", head, 42)
        layout, offset_at, length_at = f"{order}IIIII", 1, 4
    found = []
    for place in range(min(count, MAX_HEADERS)):
        header = os.pread(file, size, table + place * size)
        fields = struct.unpack_from(layout, header)
        if fields[0] == PT_NOTE:
            found.append(os.pread(file, min(fields[length_at], MAX_NOTES), fields[offset_at]))
    return found
