"""How Flight Recorder writes values down: numbers, texts, and whatever is made of them. Pure.

Everything here was written by somebody else's process, so anything may be wrong with it: no count
is believed that has no bytes to go with it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Cursor:
    """Reads on through bytes."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def number(self) -> int:
        """A whole number in 1 to 9 bytes, 7 bits in each but the ninth, which has 8."""
        data, at = self.data, self.at
        byte = data[at]
        if byte < 0x80:
            self.at = at + 1
            return byte
        value, shift = byte & 0x7F, 7
        while True:
            at += 1
            byte = data[at]
            if shift == 56:
                value |= byte << 56
                break
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        self.at = at + 1
        return value - (1 << 64) if value >> 63 else value

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self.data) - self.at:
            raise ValueError(f"{size} bytes are not there")
        self.at += size
        return self.data[self.at - size : self.at]

    def count(self) -> int:
        """Of things of at least a byte each."""
        number = self.number()
        if not 0 <= number <= len(self.data) - self.at:
            raise ValueError(f"{number} of anything are not there")
        return number

    def text(self) -> str | int | None:
        """A text; its key where it stands in a pool; None."""
        kind = self.byte()
        if kind == 0:
            return None
        if kind == 1:
            return ""
        if kind == 2:
            return self.number()
        if kind == 3:
            return self.take(self.count()).decode("utf-8", "replace")
        if kind == 4:
            units = [self.number() & 0xFFFF for _ in range(self.count())]
            packed = struct.pack(f"<{len(units)}H", *units)
            return packed.decode("utf-16-le", "replace")
        if kind == 5:
            return self.take(self.count()).decode("latin-1")
        raise ValueError(f"no text is of kind {kind}")


@dataclass(slots=True)
class Field:
    """class_id: of its type. pooled: what stands there is a key of that class's pool."""

    name: str
    class_id: int
    pooled: bool
    array: bool


@dataclass(slots=True)
class Type:
    id: int
    name: str
    fields: list[Field] = field(default_factory=list)

    def place(self, name: str) -> int:
        """Which of its fields is called so. Raise `ValueError`."""
        for place, one in enumerate(self.fields):
            if one.name == name:
                return place
        raise ValueError(f"{self.name} has no {name}")


def _short(size: int, form: str) -> Callable[[Cursor], Any]:
    return lambda cursor: struct.unpack(form, cursor.take(size))[0]


#: Of the types that are made of no others.
PRIMITIVE: dict[str, Callable[[Cursor], Any]] = {
    "boolean": Cursor.byte,
    "byte": Cursor.byte,
    "char": Cursor.number,
    "short": Cursor.number,
    "int": Cursor.number,
    "long": Cursor.number,
    "float": _short(4, ">f"),
    "double": _short(8, ">d"),
    "java.lang.String": Cursor.text,
}


class Reader:
    """Reads values of any type of a chunk: a list of its fields, or a number, or a text."""

    def __init__(self, types: dict[int, Type], most: int) -> None:
        """most: how many values there can be; types of nothing within types of nothing, of which
        a byte could hold any number, are no recording."""
        self.types = types
        self._left = most

    def value(self, cursor: Cursor, class_id: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError("more values than there are bytes")
        type_ = self.types.get(class_id)
        if type_ is None:
            raise ValueError(f"there is no type {class_id}")
        if primitive := PRIMITIVE.get(type_.name):
            return primitive(cursor)
        return [self._field(cursor, one) for one in type_.fields]

    def _field(self, cursor: Cursor, one: Field) -> Any:
        if not one.array:
            return cursor.number() if one.pooled else self.value(cursor, one.class_id)
        count = cursor.count()
        if one.pooled:
            return [cursor.number() for _ in range(count)]
        return [self.value(cursor, one.class_id) for _ in range(count)]
