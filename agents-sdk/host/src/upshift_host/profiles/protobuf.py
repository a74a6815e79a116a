"""As much of protobuf's encoding as a profile needs. Pure, and no dependency for 40 lines."""

from __future__ import annotations

from collections.abc import Iterable

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
