"""What a collector is sent at a frequency, and where its effective configuration says it. Pure.

Rules for editors. An invalid configuration ends a collector, and its supervisor has no way back. So
what is sent at any two frequencies differs in one whole number, at one place; that is proved when
`Contents` are made, and what is not so is refused there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from upshift_rules.documents.nodes import Path, YamlError, read_yaml

from ...files.contents import CannotStand
from ...files.contents import Contents as Text

#: Ours in the configuration map: supervisors merge it last, over all that have a name.
OURS = ""
MAX_EFFECTIVE = 1024 * 1024  # bytes of an effective configuration that are looked through
#: All of them have to give the same place.
_TRIED = (2, 19, 100, 997)


@dataclass(frozen=True, slots=True)
class Offer:
    """Remote configuration at a frequency. hz: the number that is in it."""

    hz: int
    files: Mapping[str, bytes]
    hash: bytes


class Contents:
    """Raise `CannotStand` unless one whole number is all that ever changes.

    text: where the number is. off: whether that has a form of its own at 0. name: of its file.
    former: what it is made of, where it is the user's. others: the user's files without it.
    """

    def __init__(
        self,
        text: Text,
        off: bool,
        name: str = OURS,
        former: bytes | None = None,
        others: Mapping[str, bytes] | None = None,
        lowest: int = 1,
        highest: int = 1000,
    ) -> None:
        self._text, self._name, self._former = text, name, former
        self._others = dict(others or {})
        self._lowest, self._highest = lowest, highest
        self._off = off
        self.place = self._proved()
        if off:
            _tree(text.at(0, former))

    def at(self, hz: int) -> Offer:
        told = min(max(hz, self._lowest), self._highest)
        body = self._text.at(0 if hz == 0 and self._off else told, self._former)
        files = {**self._others, self._name: body}
        digest = hashlib.sha256()
        for name, content in sorted(files.items()):
            for part in (name.encode(), content):
                digest.update(len(part).to_bytes(8) + part)
        return Offer(told, files, digest.digest())

    def reached(self, hz: int) -> float:
        """Hz that a collector makes of it, as it is told."""
        return float(0 if hz == 0 and self._off else min(max(hz, self._lowest), self._highest))

    def in_force(self, effective: Mapping[str, bytes]) -> int | None:
        """The number at our place in an effective configuration; None where it cannot be told."""
        for body in effective.values():
            found = number_at(body[:MAX_EFFECTIVE].decode("utf-8", "replace"), self.place)
            if found is not None:
                return found
        return None

    def _proved(self) -> Path:
        first, *more = (dict(_leaves(_tree(self._text.at(hz, self._former)))) for hz in _TRIED)
        places = {
            path
            for other in more
            for path in first.keys() | other.keys()
            if first.get(path) != other.get(path)
        }
        if len(places) != 1:
            raise CannotStand(f"must change in one place with the frequency, not in {len(places)}")
        (place,) = places
        found = [tree.get(place) for tree in (first, *more)]
        if found != list(_TRIED):
            raise CannotStand(f"must have the frequency alone at {shown(place)}, as a whole number")
        return place


def shown(place: Path) -> str:
    return "::".join(map(str, place))


def number_at(text: str, place: Path) -> int | None:
    """The whole number at a place of YAML in block style, as programs write it. In linear time."""
    above: list[tuple[int, str]] = []  # indentation and key of all that encloses a line
    wanted = [str(part) for part in place]
    for line in text.splitlines():
        stripped = line.lstrip(" ")
        if not stripped or stripped.startswith("#"):
            continue
        indent = len(line) - len(stripped)
        while above and above[-1][0] >= indent:
            above.pop()
        key, _, value = stripped.partition(":")
        above.append((indent, key.strip("\"' ")))
        if len(above) == len(wanted) and [it for _, it in above] == wanted:
            found = re.fullmatch(r"\s*([0-9]{1,9})\s*(?:#.*)?", value)
            return int(found[1]) if found else None
    return None


def _tree(body: bytes) -> Any:
    try:
        return read_yaml(body).value
    except YamlError as error:
        where = f"{error.place.line}:{error.place.column}"
        raise CannotStand(f"must be YAML: {where}: {error.message}") from error


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list) and value:
        for at, inner in enumerate(value):
            yield from _leaves(inner, (*path, at))
    else:
        yield path, value
