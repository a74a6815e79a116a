"""One question to a gRPC server over its Unix socket: as much of HTTP/2 as that takes.

By hand, because a gRPC library would be the host agent's largest dependency, for two questions.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from ...profiles import protobuf

TIMEOUT_S = 5.0
MAX_ANSWER = 64 * 1024 * 1024  # bytes

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS, _PADDED = 1, 1, 4, 8
_INITIAL_WINDOW = 4
#: What the server may send without being told to go on: all that we take.
_ROOM = MAX_ANSWER
_STREAM = 1

#: A field of a protobuf message: its number, and its bytes; numbers are left out.
Fields = Iterator[tuple[int, bytes]]


def call(path: Path, method: str, message: bytes, metadata: Mapping[str, str]) -> bytes:
    """The answer to a call such as `/package.Service/Method`; messages are protobuf.

    Raise `OSError` where nobody answers, or with an error.
    """
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
        **metadata,
    }
    asked = struct.pack(">BI", 0, len(message)) + message
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(
            _PREFACE
            + _frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW, _ROOM))
            + _frame(_WINDOW, 0, 0, struct.pack(">I", _ROOM))
            + _frame(_HEADERS, _END_HEADERS, _STREAM, b"".join(map(_header, headers.items())))
            + _frame(_DATA, _END_STREAM, _STREAM, asked)
        )
        answer = _answer(connection)
    if len(answer) < 5 or answer[0] != 0 or len(answer) - 5 != int.from_bytes(answer[1:5]):
        raise OSError(f"{method} is refused, or not answered with one message")
    return answer[5:]


def _header(pair: tuple[str, str]) -> bytes:
    """One that no table has, and that goes into none."""
    name, value = (text.encode() for text in pair)
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def _answer(connection: socket.socket) -> bytes:
    """What arrives for our stream until its end. Raise `OSError`."""
    deadline = time.monotonic() + TIMEOUT_S
    answer = bytearray()
    while time.monotonic() < deadline:
        head = _exactly(connection, 9)
        content = _exactly(connection, int.from_bytes(head[:3]))
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        if kind in (_RST, _GOAWAY):
            raise OSError("it ends the connection without an answer")
        if kind in (_SETTINGS, _PING) and not flags & _ACK:
            connection.sendall(_frame(kind, _ACK, 0, content if kind == _PING else b""))
        if stream != _STREAM:
            continue
        if kind == _DATA:
            answer += _unpadded(content) if flags & _PADDED else content
            if len(answer) > MAX_ANSWER:
                raise OSError(f"it answers with more than {MAX_ANSWER} bytes")
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            return bytes(answer)
    raise OSError(f"it does not answer in {TIMEOUT_S:g} s")


def _unpadded(content: bytes) -> bytes:
    if not content or content[0] >= len(content):
        raise OSError("it answers with a frame that is all padding")
    return content[1 : len(content) - content[0]]


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), 1 << 20))
        if not part:
            raise OSError("it closes the connection")
        parts += part
    return bytes(parts)


def fields(message: bytes) -> Fields:
    """Of a protobuf message, those that hold bytes. Raise `ValueError` for what is none. Pure."""
    return ((number, value) for number, value in protobuf.fields(message) if type(value) is bytes)
