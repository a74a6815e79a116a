"""As much of protobuf's encoding as we need. Pure, and no dependency for 80 lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_VARINT, _LENGTH = 0, 2


def varint(value: int) -> bytes:
    """A whole number from 0 up to 2⁶³ − 1. Raise `ValueError` for any other."""
    if not 0 <= value < 1 << 63:
        raise ValueError(f"no int64 from 0 up: {value}")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field that is a number; 0 is what a missing one means, so it takes no room."""
    return varint(field << 3 | _VARINT) + varint(value) if value else b""


def block(field: int, content: bytes) -> bytes:
    """A field that is a message, a text or bytes, however short."""
    return varint(field << 3 | _LENGTH) + varint(len(content)) + content


def packed(field: int, values: Iterable[int]) -> bytes:
    """A field that is a list of numbers."""
    content = b"".join(map(varint, values))
    return block(field, content) if content else b""


def fields(message: bytes, most: int | None = None) -> Iterator[tuple[int, int | bytes]]:
    """Numbers of fields, and their values: whole numbers from 0 up, or bytes.

    Raise `ValueError` for what is no message, or has more than `most` fields.
    """
    at = found = 0
    while at < len(message):
        found += 1
        if most is not None and found > most:
            raise ValueError(f"a protobuf message of more than {most} fields")
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield key >> 3, value
            continue
        if kind not in (1, _LENGTH, 5):
            raise ValueError("no protobuf message")
        size, at = _read_varint(message, at) if kind == _LENGTH else ({1: 8, 5: 4}[kind], at)
        if size > len(message) - at:
            raise ValueError("a protobuf message that is cut off")
        yield key >> 3, message[at : at + size]
        at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise ValueError("a protobuf message that is cut off")
