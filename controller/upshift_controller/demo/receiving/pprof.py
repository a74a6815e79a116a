"""Enough of pprof to count samples. Field numbers are those of pprof's `profile.proto`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...evidence.reading.wire import (
    MAX_BYTES,
    ProfileError,
    fields,
    message,
    numbers,
    text,
    unzipped,
    whole,
)

__all__ = [
    "MAX_BYTES",
    "Pprof",
    "ProfileError",
    "fields",
    "message",
    "numbers",
    "read_pprof",
    "text",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pprof:
    """One pprof. `values`: (type, unit) of each kind of value → its number for each stack."""

    time_ns: int
    duration_ns: int
    period: int
    values: Mapping[tuple[str, str], tuple[int, ...]]


def read_pprof(data: bytes) -> Pprof:
    """Read a pprof, gzipped or not. Raise `ProfileError` on anything else."""
    types: list[dict[int, int]] = []
    stacks: list[list[int]] = []
    strings: list[str] = []
    scalars = {9: 0, 10: 0, 12: 0}
    for number, value in fields(unzipped(data)):
        if number == 1:
            types.append({key: whole(index) for key, index in fields(message(value))})
        elif number == 2:
            stacks.append(
                [n for key, packed in fields(message(value)) if key == 2 for n in numbers(packed)]
            )
        elif number == 6:
            strings.append(text(value))
        elif number in scalars:
            scalars[number] = whole(value)
    try:
        names = [(strings[kind.get(1, 0)], strings[kind.get(2, 0)]) for kind in types]
        columns = [tuple(stack[place] for stack in stacks) for place in range(len(names))]
    except IndexError as error:
        raise ProfileError("a pprof names a string or a value that it does not hold") from error
    return Pprof(
        time_ns=scalars[9],
        duration_ns=scalars[10],
        period=scalars[12],
        values=dict(zip(names, columns, strict=True)),
    )
