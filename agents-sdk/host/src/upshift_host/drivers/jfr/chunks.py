"""Flight Recorder's file format, version 2: chunks with their own types, pools and events. Pure.

A recording is one chunk after another. A chunk has a head, events, and among them the metadata (the
types) and the checkpoints (pools of what events name by a key: stacks, methods, texts).
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from .values import Cursor, Field, Reader, Type

_HEAD = struct.Struct(">4s2H7q4B")
_METADATA, _CHECKPOINT = 0, 1
_COMPRESSED = 1
NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """values: by the places of its type's fields."""

    type: Type
    values: list[Any]


@dataclass(slots=True)
class Chunk:
    """One chunk: its pools by class and key, and the events that were asked for."""

    types: dict[int, Type]
    pools: dict[int, dict[int, Any]]
    events: list[Event]
    start_ns: int
    duration_ns: int
    start_ticks: int
    ticks_per_second: int

    def unix_s(self, ticks: int) -> float:
        """Unix time of an event's ticks."""
        return self.start_ns / NS + (ticks - self.start_ticks) / self.ticks_per_second

    def seconds(self, ticks: int) -> float:
        return ticks / self.ticks_per_second

    def pooled(self, class_id: int, key: int) -> Any:
        """What stands in a pool under a key, None where nothing does."""
        return self.pools.get(class_id, {}).get(key)


def chunks(recording: bytes, wanted: Collection[str]) -> Iterator[Chunk]:
    """Read a recording, and of its events those whose types are `wanted`.

    What is no recording, or is cut off, raises `samples.NO_RECORDING`.
    """
    at = 0
    while at < len(recording):
        size = _Head(recording, at).size
        yield _chunk(recording[at : at + size], wanted)
        at += size


class _Head:
    def __init__(self, data: bytes, at: int = 0) -> None:
        if len(data) - at < _HEAD.size:
            raise ValueError("a recording is cut off")
        head = _HEAD.unpack_from(data, at)
        magic, major = head[0], head[1]
        if magic != b"FLR\0" or major != 2:
            raise ValueError("no recording of Flight Recorder, version 2")
        self.size, self.checkpoint, self.metadata, self.start_ns, self.duration_ns = head[3:8]
        self.start_ticks, self.ticks_per_second, flags = head[8], head[9], head[13]
        if not flags & _COMPRESSED:
            raise ValueError("a recording without compressed numbers")
        if not _HEAD.size <= self.size <= len(data) - at or self.ticks_per_second <= 0:
            raise ValueError("a recording is cut off")


def _chunk(data: bytes, wanted: Collection[str]) -> Chunk:
    head = _Head(data)
    types = _types(data, head.metadata)
    reader = Reader(types, most=4 * len(data))
    ids = {type_.id: type_ for type_ in types.values() if type_.name in wanted}
    return Chunk(
        types=types,
        pools=_pools(data, head.checkpoint, reader),
        events=[
            Event(ids[id_], reader.value(Cursor(data, at), id_))
            for id_, at in _events(data)
            if id_ in ids
        ],
        start_ns=head.start_ns,
        duration_ns=head.duration_ns,
        start_ticks=head.start_ticks,
        ticks_per_second=head.ticks_per_second,
    )


def _events(data: bytes) -> Iterator[tuple[int, int]]:
    """The type of each event, and where its fields begin."""
    at = _HEAD.size
    while at < len(data):
        cursor = Cursor(data, at)
        size = cursor.number()
        if size <= 0:
            raise ValueError("an event without a size")
        yield cursor.number(), cursor.at
        at += size


def _begun(data: bytes, at: int, kind: int) -> Cursor:
    """Past the head of the metadata, or of a checkpoint."""
    cursor = Cursor(data, at)
    cursor.number()  # its size
    if at <= 0 or cursor.number() != kind:
        raise ValueError("a recording's index leads elsewhere")
    cursor.number()  # start
    cursor.number()  # duration
    return cursor


def _types(data: bytes, at: int) -> dict[int, Type]:
    cursor = _begun(data, at, _METADATA)
    cursor.number()  # of this metadata
    texts = [str(cursor.text() or "") for _ in range(cursor.count())]
    types: dict[int, Type] = {}
    _element(cursor, texts, types, None)
    return types


def _element(cursor: Cursor, texts: list[str], types: dict[int, Type], of: Type | None) -> None:
    """An element of the tree that the types are written as. Those within a class are its fields."""
    name = texts[cursor.number()]
    attributes = {texts[cursor.number()]: texts[cursor.number()] for _ in range(cursor.count())}
    inside = None
    if name == "class":
        inside = Type(int(attributes["id"]), attributes["name"])
        types[inside.id] = inside
    elif name == "field" and of is not None:
        of.fields.append(
            Field(
                attributes["name"],
                int(attributes["class"]),
                attributes.get("constantPool") == "true",
                attributes.get("dimension", "0") != "0",
            )
        )
    for _ in range(cursor.count()):
        _element(cursor, texts, types, inside)


def _pools(data: bytes, at: int, reader: Reader) -> dict[int, dict[int, Any]]:
    """All pools: each checkpoint says how far back the one before it is."""
    pools: dict[int, dict[int, Any]] = {}
    while True:
        cursor = _begun(data, at, _CHECKPOINT)
        back = cursor.number()
        cursor.byte()  # its kind
        for _ in range(cursor.count()):
            class_id = cursor.number()
            pool = pools.setdefault(class_id, {})
            for _ in range(cursor.count()):
                key = cursor.number()
                pool.setdefault(key, reader.value(cursor, class_id))  # the newest stands
        if back == 0:
            return pools
        if back > 0:
            raise ValueError("a checkpoint leads forward")
        at += back
