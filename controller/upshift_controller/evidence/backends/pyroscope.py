"""Pyroscope's query API: `SelectMergeProfile` by Connect, whose answer is a pprof.

Field numbers are those of its `querier/v1/querier.proto` (1.0 to 1.14). **Untested against the real
one**, which is not to be had as a package; the tests' stand-in decodes what is asked.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..spans import Span
from . import Backend, BackendError, selector
from .asking import ask, said

#: What its `/ingest` makes of profiles in pprof and folded.
PROFILES: Mapping[str, tuple[str, str | None]] = {
    "cpu": (
        "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
        "process_cpu:samples:count:cpu:nanoseconds",
    ),
    "wall": ("wall:wall:nanoseconds:wall:nanoseconds", "wall:samples:count:wall:nanoseconds"),
}


class Pyroscope:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def pprof(self, type_: str, labels: Mapping[str, str | list[str]], span: Span) -> bytes | None:
        asked = _texts(type_, selector(labels)) + _whole(3, span.from_ms)
        status, body = ask(
            self._backend,
            "POST",
            "/querier.v1.QuerierService/SelectMergeProfile",
            data=asked + _whole(4, span.until_ms - 1),
            headers={"Content-Type": "application/proto"},
        )
        if status != 200:
            raise BackendError(f"pyroscope: answered {status} to {type_}: {said(body)}")
        return body or None


def _texts(*texts: str) -> bytes:
    """Fields 1, 2, …"""
    encoded = [text.encode() for text in texts]
    return b"".join(
        bytes([number << 3 | 2]) + _varint(len(text)) + text
        for number, text in enumerate(encoded, 1)
    )


def _whole(number: int, value: int) -> bytes:
    return bytes([number << 3]) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
