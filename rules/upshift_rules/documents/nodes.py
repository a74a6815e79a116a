"""YAML text → plain values, and where each one stands. Nothing here knows what the values mean.

Rules for editors. The text may come from anybody, so: no tag ever constructs anything, nesting and
the growth of aliases are bounded, and every way to fail is a `YamlError` with a line and a column.
Scalars follow YAML 1.2, where `no`, `on` and `1:30` are text and not false, true and 90.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ..text import show

MAX_BYTES = 1024 * 1024
#: Far above what any document of ours needs, far below Python's recursion limit.
MAX_DEPTH = 32
#: Values, before and after the expansion of aliases: some 2,000 rules, and read in a second.
MAX_VALUES = 20_000

#: The way to a value: keys of mappings and positions in lists, from the top.
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, counted from 1."""

    line: int
    column: int


class YamlError(ValueError):
    """Text that cannot be read as YAML of ours: what is wrong, and where."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


@dataclass(frozen=True, slots=True)
class Tree:
    """`value` as read; the places of its values, and of its keys; keys that are there twice."""

    value: Any
    values: Mapping[Path, Place]
    keys: Mapping[Path, Place]
    twice: tuple[tuple[Path, Place], ...]


def read_yaml(text: str | bytes) -> Tree:
    """Read one document. An empty one is an empty mapping. Raise `YamlError`."""
    source = _decoded(text)
    try:
        root = yaml.compose(source, _Loader)
    except yaml.reader.ReaderError as error:
        raise YamlError(
            f"character U+{error.character:04X} is not allowed in YAML",
            _place_of(source, error.position),
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(1, 1) if mark is None else _place(mark)
        raise YamlError(f"not YAML: {_explained(error)}", place) from error
    builder = _Builder()
    value = None if root is None else builder.build(root, ())
    return Tree({} if value is None else value, builder.values, builder.keys, tuple(builder.twice))


def _decoded(text: str | bytes) -> str:
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > MAX_BYTES:
        problem = f"the file has {len(raw):,} bytes, at most {MAX_BYTES:,} are read"
        raise YamlError(problem, Place(1, 1))
    try:
        return raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        good = raw[: error.start].decode()
        raise YamlError(
            f"byte 0x{raw[error.start]:02X} is not UTF-8; save the file as UTF-8",
            _place_of(good, len(good)),
        ) from error


def _place_of(text: str, position: int) -> Place:
    before = text[:position].split("\n")
    return Place(len(before), len(before[-1]) + 1)


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _explained(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "'\\t'" in problem:
        return "a tab cannot indent; use spaces"
    return f"{error.context}, {problem}" if error.context else problem


def _check_size(depth: int, values: int, mark: yaml.Mark) -> None:
    if depth > MAX_DEPTH:
        raise YamlError(f"nested more than {MAX_DEPTH} deep", _place(mark))
    if values > MAX_VALUES:
        raise YamlError(f"more than {MAX_VALUES:,} values", _place(mark))


class _Loader(yaml.SafeLoader):
    """Composes nodes and never constructs."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # as in the base class
    depth = 0
    count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        self.count += 1
        _check_size(self.depth, self.count, self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


# At most 18 digits: enough for every number we take, and int() stays cheap.
for _tag, _text, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]{1,18}", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_text})$"), _first)


class _Builder:
    def __init__(self) -> None:
        self.values: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}
        self.twice: list[tuple[Path, Place]] = []

    def build(self, node: yaml.Node, path: Path) -> Any:
        _check_size(len(path), len(self.values), node.start_mark)
        self.values[path] = _place(node.start_mark)
        match node:
            case yaml.MappingNode(tag="tag:yaml.org,2002:map"):
                return self._mapping(node, path)
            case yaml.SequenceNode(tag="tag:yaml.org,2002:seq"):
                return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
            case yaml.ScalarNode():
                return _scalar(node)
        raise _unread_tag(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlError("a key must be plain text", place)
            key = str(key_node.value)
            here = (*path, key)
            if key in mapping:
                self.twice.append((here, place))
                continue
            self.keys[here] = place
            mapping[key] = self.build(value_node, here)
        return mapping


def _unread_tag(node: yaml.Node) -> YamlError:
    tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
    return YamlError(
        f"the tag {show(tag)} does not fit here; leave it out", _place(node.start_mark)
    )


def _scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    text = str(node.value)
    match node.tag.removeprefix("tag:yaml.org,2002:"):
        case "str":
            return text
        case "null":
            return None
        case "bool" if text.lower() in ("true", "false"):
            return text.lower() == "true"
        case "int" if text.lstrip("+-").isdecimal() and len(text) < 20:
            return int(text)
        case "float" | "int":
            try:
                return float(text)
            except ValueError:
                pass
    raise _unread_tag(node)
