"""Which sockets listen in our own network namespace, asked of the kernel by netlink.

/proc/net/tcp would do, but to write it the kernel walks all connections of the machine; this walks
only what listens. See sock_diag(7).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_DUMP = 0x301  # NLM_F_REQUEST, NLM_F_ROOT, NLM_F_MATCH
ERROR, DONE = 2, 3
LISTEN = 1 << 10
TIMEOUT_S = 1.0
MAX_ANSWER = 1 << 16  # bytes of one datagram

_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI48x")
#: Of the answer: family, and what stands before the port; the port; up to the inode; that.
_SOCKET = struct.Struct("!4xH")
_INODE = struct.Struct("=68xI")


def listeners() -> Iterator[tuple[int, int]]:
    """Port, and inode of the socket, of all that listens by TCP. Raise `OSError`."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
            kernel.settimeout(TIMEOUT_S)
            asked = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, LISTEN)
            length = _HEADER.size + len(asked)
            header = _HEADER.pack(length, SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0)
            kernel.sendto(header + asked, (0, 0))
            yield from _answers(kernel)


def _answers(kernel: socket.socket) -> Iterator[tuple[int, int]]:
    while True:
        answer = kernel.recv(MAX_ANSWER)
        while len(answer) >= _HEADER.size:
            length, kind, *_ = _HEADER.unpack_from(answer)
            if kind == DONE or length < _HEADER.size:
                return
            if kind == ERROR:
                raise OSError("the kernel does not say which sockets listen")
            said = answer[_HEADER.size : length]
            if len(said) >= _INODE.size:
                yield _SOCKET.unpack_from(said)[0], _INODE.unpack_from(said)[0]
            answer = answer[(length + 3) & ~3 :]
