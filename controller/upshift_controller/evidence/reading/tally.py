"""A pprof's weights by function: what each took itself, and with all that it called.

Weights, not counts: profiles of different periods are compared by the nanoseconds (or bytes) that
their samples stand for. Field numbers are those of pprof's `profile.proto`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .tree import Node
from .wire import ProfileError, fields, message, numbers, text, unzipped, whole

#: What a stack's frame without a name is called.
UNKNOWN = "[unknown]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One sub-window. weight: of all stacks, in the profile's unit (nanoseconds for cpu).
    own, total: weight of each function itself, and of all stacks that it is in."""

    weight: float = 0.0
    own: Mapping[str, float] = field(default_factory=dict)
    total: Mapping[str, float] = field(default_factory=dict)


def read_tally(data: bytes, tree: Node) -> Tally:
    """Read a pprof, gzipped or not, of one kind of value, or by its last, and add its stacks to
    `tree`. Raise `ProfileError`."""
    stacks: list[tuple[tuple[int, ...], int]] = []
    lines: dict[int, tuple[int, ...]] = {}
    names: dict[int, int] = {}
    strings: list[str] = []
    for number, value in fields(unzipped(data)):
        if number == 2:
            stacks.append(_stack(message(value)))
        elif number == 4:
            at, functions = _location(message(value))
            lines[at] = functions
        elif number == 5:
            function = {key: whole(one) for key, one in fields(message(value))}
            names[function.get(1, 0)] = function.get(2, 0)
        elif number == 6:
            strings.append(text(value))
    try:
        named = {function: strings[name] or UNKNOWN for function, name in names.items()}
        frames = {at: [named[one] for one in some] or [UNKNOWN] for at, some in lines.items()}
        return _added(stacks, frames, tree)
    except LookupError as error:
        raise ProfileError("a pprof names a function, location or string that it lacks") from error


def _stack(sample: bytes) -> tuple[tuple[int, ...], int]:
    """Its locations, innermost first, and its last value."""
    locations: list[int] = []
    value = 0
    for key, part in fields(sample):
        if key == 1:
            locations += numbers(part)
        elif key == 2:
            for one in numbers(part):
                value = one  # the last is what is meant
    return tuple(locations), value


def _location(location: bytes) -> tuple[int, tuple[int, ...]]:
    """Its id, and its functions: several where a compiler has inlined, innermost first."""
    at, functions = 0, []
    for key, part in fields(location):
        if key == 1:
            at = whole(part)
        elif key == 4:
            line = {name: one for name, one in fields(message(part)) if name == 1}
            functions.append(whole(line.get(1, 0)))
    return at, tuple(functions)


def _added(
    stacks: Iterable[tuple[tuple[int, ...], int]], frames: Mapping[int, list[str]], tree: Node
) -> Tally:
    weight = 0
    own, total = defaultdict[str, float](float), defaultdict[str, float](float)
    for locations, value in stacks:
        weight += value
        functions = [name for at in locations for name in frames[at]]
        if functions:
            own[functions[0]] += value
        for name in set(functions):  # once, however often it recurs
            total[name] += value
        tree.add(reversed(functions), value)
    return Tally(weight=float(weight), own=dict(own), total=dict(total))
