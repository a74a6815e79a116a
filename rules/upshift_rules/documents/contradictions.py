"""Faults of a `sampling:` section that lie between its fields.

They are looked for in what the file says, valid or not, so that they come with all other faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from upshift_agent.contract import MAX_HZ

from ..model import default_frequency
from ..text import in_words, show
from .nodes import Path

#: A lease of a rule with such a name could not be told from a target.
TARGET_KINDS = frozenset({"service", "node"})


def contradictions(sampling: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Return every contradiction, with its path below `sampling`."""
    yield from above(sampling, sampling.get("max_frequency"), "max_frequency")
    yield from _names(sampling)


def above(sampling: Mapping[str, Any], most: Any, name: str) -> Iterator[tuple[Path, str]]:
    """Return every frequency above `most` Hz, the value of `name`."""
    if not _is_hz(most):
        return
    asked: list[tuple[Path, Any]] = [(("default",), sampling.get("default"))]
    environments = sampling.get("environments")
    if isinstance(environments, dict):
        asked += [(("environments", name), hz) for name, hz in environments.items()]
    asked += [
        (("on_alert", i, "frequency"), entry.get("frequency")) for i, entry in _entries(sampling)
    ]
    said = f"{most} Hz{default_frequency(most)}"
    for path, hz in asked:
        if _is_hz(hz) and hz > most:
            yield path, f"{in_words(path)} must be at most {name}, {said}, got {hz}"


def _names(sampling: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    seen: set[str] = set()
    for index, entry in _entries(sampling):
        field = "trigger" if entry.get("name") is None else "name"
        name = entry.get(field)
        if not isinstance(name, str):
            continue
        if name in TARGET_KINDS:
            yield (
                ("on_alert", index, field),
                f"name {show(name)} is what targets begin with; give this rule another `name:`",
            )
        if name in seen:
            yield (
                ("on_alert", index, field),
                f"name {show(name)} is taken by a rule above; give this one a name of its own",
            )
        seen.add(name)


def _entries(sampling: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    entries = sampling.get("on_alert")
    rows = enumerate(entries) if isinstance(entries, list) else ()
    return [(i, entry) for i, entry in rows if isinstance(entry, dict)]


def _is_hz(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_HZ
