"""Protobuf's wire format, read by hand.

By hand, because a dozen fields are read and none is written: the `protobuf` package would add a
compiled dependency, and generated code, for the thirty lines of `fields` and `numbers`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

#: Largest profile that is unpacked, in bytes; pyroscope-io's are a few kB.
MAX_BYTES = 64 * 1024 * 1024
_GZIP = b"\x1f\x8b"


class ProfileError(ValueError):
    """Bytes that are not the protobuf message they were sent as."""


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field of a protobuf message: its number, and its varint or its bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if kind not in (1, 2, 5):
            raise ProfileError(f"protobuf has no wire type {kind} in use, at byte {at}")
        size, at = _varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        if at + size > len(data):
            raise ProfileError(f"cut off: {size} bytes announced at byte {at} of {len(data)}")
        yield key >> 3, data[at : at + size]
        at += size


def numbers(value: int | bytes) -> Iterator[int]:
    """The numbers of a repeated field: one for each field, or packed into one."""
    if isinstance(value, int):
        yield value
        return
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        yield number


def message(value: int | bytes) -> bytes:
    """`value` as what it must be here. Raise `ProfileError` where it is a number."""
    if isinstance(value, int):
        raise ProfileError("a number stands where a message belongs")
    return value


def whole(value: int | bytes) -> int:
    """`value` as what it must be here. Raise `ProfileError` where it is bytes."""
    if not isinstance(value, int):
        raise ProfileError("bytes stand where a number belongs")
    return value


def text(value: int | bytes) -> str:
    return message(value).decode("utf-8", "replace")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Seven bits a byte, low ones first; negative numbers as 64-bit two's complement."""
    number = 0
    for place, byte in enumerate(data[at : at + 10]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            signed = number - 2**64 if number >= 2**63 else number
            return signed, at + place + 1
    raise ProfileError(f"cut off in a number at byte {at}")


def unzipped(data: bytes) -> bytes:
    """`data`, gzipped or not, plain. Raise `ProfileError` where it is cut off, or too large."""
    if not data.startswith(_GZIP):
        return data
    stream = zlib.decompressobj(wbits=31)  # 31: gzip, of any window
    try:
        plain = stream.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise ProfileError(f"not gzip after all: {error}") from error
    if not stream.eof:
        raise ProfileError(f"cut off, or more than {MAX_BYTES} bytes unpacked")
    return plain
